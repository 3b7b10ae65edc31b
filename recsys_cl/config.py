"""A recipe is one method, a pipeline is what to do with it: both are values read from TOML and checked before data is read."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, field_validator

from recsys_cl.core.build import build, check, resolve
from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.fit import encoding_of, made_by, reads_any, refuse_name, refuse_unfit, refuse_unread, smallest
from recsys_cl.core.protocols import View
from recsys_cl.core.provenance import Provenance
from recsys_cl.core.runtime import Runtime
from recsys_cl.core.schedule import Schedule
from recsys_cl.core.settings import Component, Settings
from recsys_cl.core.toml import assignment, merge, parse, read_text, telling_where, validate
from recsys_cl.core.weighted import weight_of, without_weight
from recsys_cl.evaluation.choosing import refuse_choice, refuse_shared
from recsys_cl.evaluation.settings import Evaluation, build_metrics, is_sampled
from recsys_cl.ingest.prepare import Prepare
from recsys_cl.ingest.protocols import Protocols
from recsys_cl.ingest.settings import Ingest
from recsys_cl.tracking.settings import Promotion
from recsys_cl.training.plan import Plan
from recsys_cl.tuning.settings import Space, Tune
from recsys_cl.tuning.space import build_space

_log = logging.getLogger(__name__)

CONTEXT = frozenset({"shape", "interactions", "features", "rng", "sampler"})
"""What the program offers to a recipe's components, to objectives the encoder's ``dim`` too; other arguments are settings."""


NOT_IN_MODEL_NAMES = "/:.%\"'"

_OVER_USERS = ("registry.metric", "promotion.metric")
"""Settings by whose metric models are compared user by user."""

BASELINES = ("popular", "recent-popular")
"""Recipes that stand in every table: what costs nothing must be beaten first."""


class Recipe(Settings):
    """One published method: components and hyper-parameters, nothing else."""

    title: str
    family: str
    provenance: Provenance
    source: Component
    sampler: Component | None = None
    encoder: Component
    main_view: Component | None = None
    views: tuple[Component, ...] = ()
    objectives: dict[str, Component] = Field(default_factory=dict)
    method: Component = Component(use="contrastive")
    training: Plan = Plan()
    tune: Space = Field(Space(), exclude=True)  # what may vary says nothing of what it is

    @field_validator("objectives")
    @classmethod
    def _named(cls, objectives: dict[str, Component]) -> dict[str, Component]:
        for name in objectives:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):  # a name is part of a key, also in what tuning writes
                raise ValueError(f"'{name}' is no name: letters, digits, - and _ are")
        return objectives

    def settings(self) -> dict[str, Any]:
        """Everything that decides the result, JSON-able; titles and provenance are left out."""
        return self.model_dump(mode="json", exclude={"title", "family", "provenance"})


def load_recipe(name: str, *changes: Mapping[str, Any], origin: str = "recipe") -> Recipe:
    """A recipe by name (``"xsimgcl"``) or path (``"my/own.toml"``), with ``changes`` merged in; refused before data is read."""
    if name.endswith(".toml"):
        path, text = name, read_text(Path(name))
    else:
        if name not in recipe_names():
            raise Refused(f"{origin}: no recipe '{name}'; {nearest(name, recipe_names())}")
        path = f"recipes/{name}.toml"
        text = resources.files("recsys_cl.recipes").joinpath(f"{name}.toml").read_text("utf-8")
    values = parse(text, path)
    for change in changes:
        values = merge(values, change)
    return _checked(values, path, text)


def alter(recipe: Recipe, change: Mapping[str, Any], origin: str) -> Recipe:
    """``recipe`` with ``change`` laid over it, checked as if it had been read so; errors begin with ``origin``."""
    return _checked(merge(recipe.model_dump(mode="json"), change), origin, "")


def _checked(values: Mapping[str, Any], path: str, text: str) -> Recipe:
    recipe = validate(Recipe, values, path, text)
    with telling_where(path, text):
        _check_components(recipe)
        build_space(recipe.tune.space)
    return recipe


def recipe_names() -> tuple[str, ...]:
    """Every recipe that comes with the package."""
    folder = resources.files("recsys_cl.recipes")
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def _check_components(recipe: Recipe) -> None:
    """Refuse what can be refused without data: names, arguments, what cannot read the source, views that are lacked."""
    slots = {"source": "structures", "sampler": "samplers", "encoder": "encoders", "method": "methods"}
    offered = CONTEXT | {"encoder", "feed", "views", "objectives", "main_view"}
    made = {}
    for key, slot in slots.items():
        component: Component | None = getattr(recipe, key)
        if component is not None:
            made[key] = resolve(slot, component.use, f"{key}.use")
            check(made[key], component, key, offered)
    source, made_of = made_by(made["source"]), smallest()
    refuse_unfit("methods", made["method"], recipe.method.use, "method.use", source)
    encoder = build("encoders", recipe.encoder, "encoder", **made_of)
    views = _views(recipe, source)
    main = None
    if reads_any("methods", made["method"]):  # one that reads a class of its own gives the encoder something else
        refuse_unfit("encoders", encoder, recipe.encoder.use, "encoder.use", source)
        main = encoding_of(recipe.source, encoder, views)
    drawn = 0 if recipe.sampler is None else getattr(build("samplers", recipe.sampler, "sampler", **made_of), "negatives", None)
    for name, component in recipe.objectives.items():
        key = f"objectives.{name}"
        weight_of(component, key)
        objective = build("objectives", without_weight(component), key, **made_of, dim=encoder.dim)
        if objective.views > len(recipe.views):
            declared = f"but the recipe declares {len(recipe.views)} under [[views]]"
            raise Refused(f"{key}: '{component.use}' reads {objective.views} views, {declared}")
        refuse_unread(objective, key, component.use, main, drawn)
        refuse_name(name, objective, recipe.method.use, made["method"])


def _views(recipe: Recipe, source: type | None) -> list[View[Any]]:
    """The recipe's views, the main one last, each of which reads ``source``."""
    declared = {f"views.{number}": view for number, view in enumerate(recipe.views)}
    if recipe.main_view is not None:
        declared["main_view"] = recipe.main_view
    made = {key: build("views", view, key, **smallest()) for key, view in declared.items()}
    for key, view in made.items():
        refuse_unfit("views", view, declared[key].use, f"{key}.use", source)
    return list(made.values())


class Experiment(Settings):
    """One recipe of a pipeline, with its own changes."""

    recipe: str
    name: str = Field("", pattern=r"^[\w.\-]*$")
    set: dict[str, Any] = Field(default_factory=dict)
    tuned: str = ""  # path of the best.toml of `recsys-cl tune`; laid over `set`
    trials: int = Field(0, ge=0)  # how many the search took that found `set`; 0: `tuned` says it, or nothing was searched for

    @property
    def label(self) -> str:
        """What it is called in tables and artifacts."""
        return self.name or Path(self.recipe).stem

    def changes(self) -> tuple[Mapping[str, Any], ...]:
        """What is laid over the recipe, in order."""
        return self.set, self.found.set

    @property
    def found(self) -> Tuned:
        """What tuning found for it, nothing where it was not asked."""
        if not self.tuned:
            return Tuned(set={}, trials=self.trials)
        text = read_text(Path(self.tuned))
        return validate(Tuned, parse(text, self.tuned), self.tuned, text)


class Tuned(Settings):
    """What tuning found for one recipe."""

    set: dict[str, Any] = Field(default_factory=dict)
    trials: int = Field(0, ge=0)


class Registry(Settings):
    """What is registered: of the experiments that learn weights the best on validation, unless one is named, whatever it is.

    Where none learns, the best of what is counted or solved (``popular``, ``ease``).
    """

    model: str = ""  # "": the pipeline's name
    experiment: str = ""
    metric: str = "ndcg@20"  # what "best" means


class Pipeline(Settings):
    """What to ingest, how to split, which recipes, what to register."""

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.\-]*$")
    seed: int = Field(1, ge=0)
    ingest: Ingest
    prepare: Prepare
    experiments: tuple[Experiment, ...] = Field(min_length=1)
    override: dict[str, Any] = Field(default_factory=dict)  # laid over every recipe
    evaluation: Evaluation = Evaluation()
    runtime: Runtime = Runtime()
    registry: Registry = Registry()
    tune: Tune = Tune()
    protocols: Protocols = Protocols()
    promotion: Promotion = Promotion()
    schedule: Schedule | None = None
    _typed: dict[str, Any] = PrivateAttr(default_factory=dict)  # what the command line says of `override`: laid over all else

    def promotion_rule(self) -> Promotion:
        """When a version is promoted, the metric named."""
        return self.promotion.model_copy(update={"metric": self.promotion.metric or self.registry.metric})

    def recipes(self) -> dict[str, Recipe]:
        """Every experiment's recipe by label, with the pipeline's and its own changes; the popularity baselines always."""
        asked = {experiment.recipe for experiment in self.experiments}
        select = {"training": {"select": self.registry.metric}}  # nothing is trained: the metric need only be measured
        found = {name: load_recipe(name, select) for name in BASELINES if name not in asked}
        for number, experiment in enumerate(self.experiments):
            if experiment.label in found:
                raise Refused(f"experiments.{number}: '{experiment.label}' is there twice; give one of them another 'name'")
            changes = (self.override, *experiment.changes(), self._typed)
            found[experiment.label] = load_recipe(experiment.recipe, *changes, origin=f"experiments.{number}.recipe")
        return found


def load_pipeline(path: Path, assignments: Sequence[str] = ()) -> Pipeline:
    """A pipeline from its TOML, with ``KEY=VALUE`` assignments laid over it."""
    text = read_text(path)
    values, typed = parse(text, path), dict[str, Any]()
    for change in map(assignment, assignments):
        values, typed = merge(values, change), merge(typed, change)
    pipeline = validate(Pipeline, values, path, text)
    pipeline._typed.update(typed.get("override", {}))  # noqa: SLF001 - its own module
    with telling_where(path, text):
        build("ingest.sources", pipeline.ingest.source, "ingest.source", seed=pipeline.seed)
        recipes = pipeline.recipes()
        build_space(pipeline.tune.space)
        _check_choices(pipeline, recipes, path)
    return pipeline


def _check_choices(pipeline: Pipeline, recipes: Mapping[str, Recipe], path: Path) -> None:
    """Names that one table gives and another uses: experiments and metrics."""
    _check_tables(pipeline)
    _check_metrics(pipeline, recipes)
    key, model = ("registry.model", pipeline.registry.model) if pipeline.registry.model else ("name", pipeline.name)
    if barred := [letter for letter in model if letter in NOT_IN_MODEL_NAMES]:
        raise Refused(f"{key}: MLflow registers no model whose name has a '{barred[0]}'; give another in registry.model")
    chosen = pipeline.registry.experiment
    if chosen and chosen not in recipes:
        raise Refused(f"registry.experiment: no experiment '{chosen}'; {nearest(chosen, recipes)}")
    for metric in (each.name for each in build_metrics(pipeline.evaluation) if is_sampled(each.name)):
        _log.warning(
            "%s: '%s' is measured among sampled negatives: compare it only with papers that did the same", path, metric
        )


def _check_metrics(pipeline: Pipeline, recipes: Mapping[str, Recipe]) -> None:
    """What anything is chosen by is measured, in full, and more of it is better."""
    asked = {"registry.metric": pipeline.registry.metric}
    others = {"tune.metric": pipeline.tune.metric, "protocols.metric": pipeline.protocols.metric}
    asked |= {key: metric for key, metric in others.items() if metric}
    asked |= {"promotion.metric": pipeline.promotion_rule().metric}
    asked |= {f"training.select of '{name}'": recipe.training.select for name, recipe in recipes.items()}
    measured = {metric.name: metric for metric in build_metrics(pipeline.evaluation)}
    for key, metric in asked.items():
        if metric not in measured:
            raise Refused(f"{key}: '{metric}' is not measured; {nearest(metric, measured)}")
        refuse_choice(measured[metric], key)
        if key in _OVER_USERS:
            refuse_shared(metric, key)
    rule = pipeline.promotion_rule()
    if rule.coverage and f"coverage@{rule.depth}" not in measured:
        raise Refused(f"promotion.coverage: 'coverage@{rule.depth}' is not measured; {nearest('coverage', measured)}")


def _check_tables(pipeline: Pipeline) -> None:
    """What one table asks of another: days are added to a data set only, and only some splits tell strangers apart."""
    source, split = pipeline.ingest.source.use, pipeline.prepare.split
    if pipeline.schedule and pipeline.schedule.append and source != "dataset":
        raise Refused(f"schedule.append: days are added to a data set; ingest.source is '{source}'")
    if pipeline.evaluation.shots and not getattr(resolve("ingest.splits", split.use, "prepare.split.use"), "strangers", False):
        raise Refused(f"evaluation.shots: the split '{split.use}' holds no strangers out; prepare.split = \"user_cold\" does")
