"""A pipeline's recipes are tuned: as many trials for each, the same data, validation only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_cl.config import Pipeline, Recipe, alter, load_pipeline
from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.files import atomic_write, digest_json
from recsys_cl.core.protocols import Stage
from recsys_cl.core.settings import Component
from recsys_cl.stages.findings import BEST, TRIALS
from recsys_cl.stages.ingest import IngestStage
from recsys_cl.stages.prepare import PrepareStage
from recsys_cl.stages.runner import Status, run_stages
from recsys_cl.stages.store import Store
from recsys_cl.stages.tracking import Tracking
from recsys_cl.stages.trials import TrialRuns
from recsys_cl.stages.tune import TuneStage
from recsys_cl.tuning.space import build_space, change, default_space, written
from recsys_cl.tuning.study import need_optuna

FOLDER = "tune"
"""Of the trials, within the pipeline's artifacts."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What tuning has to say."""

    pipeline: str
    metric: str
    budget: int  # trials of every recipe with something to vary
    stages: tuple[tuple[str, Status, float], ...]
    recipes: tuple[Mapping[str, Any], ...]  # each recipe's `trials.json`, without the trials that were not best, and `fragment`
    folder: Path

    def as_json(self) -> dict[str, Any]:
        """The machine's view."""
        return {
            "pipeline": self.pipeline,
            "metric": self.metric,
            "trials": self.budget,
            "stages": [{"name": name, "status": status, "seconds": round(seconds, 3)} for name, status, seconds in self.stages],
            "recipes": [dict(recipe) for recipe in self.recipes],
            "folder": str(self.folder),
        }


def tune_pipeline(
    path: Path,
    assignments: Sequence[str],
    data_dir: Path,
    tracking_uri: str | None,
    watch: Callable[[str, Status, float], None],
    tell: Callable[[str], None],
) -> Tuning:
    """Prepare the data, search what is not found yet, and gather what was found.

    Raises:
        Refused: the pipeline or a space, before data is read; or no trial of any recipe was completed.
        Unavailable: Optuna, the device, the disk or the tracking store is not there.
    """
    pipeline = load_pipeline(path, assignments)
    need_optuna()
    home = data_dir.resolve() / pipeline.name
    tracking = Tracking(pipeline.name, Path(), tracking_uri)
    stages = tune_stages(pipeline, home / FOLDER, tell)
    fingerprint = digest_json(["tune", *({"name": stage.name, **stage.settings} for stage in stages)])
    with TrialRuns(tracking, fingerprint) as runs:
        tracked = [_tracked(stage, runs) for stage in stages]
        before: list[Stage] = [IngestStage(pipeline.ingest, pipeline.seed), PrepareStage(pipeline.prepare)]
        outcome = run_stages([*before, *tracked], Store(home), watch)
    found = tuple(_gather(stage, outcome.artifacts[stage.writes[0]].path, home / FOLDER) for stage in stages)
    if not any(each["best"] for each in found):
        raise Refused("no trial was completed: " + "; ".join(f"{each['recipe']}: {each['why']}" for each in found))
    timings = tuple((done.stage.name, done.status, done.seconds) for done in outcome.done)
    return Tuning(pipeline.name, stages[0].tune.metric, pipeline.tune.trials, timings, found, home / FOLDER)


def tune_stages(pipeline: Pipeline, folder: Path, tell: Callable[[str], None]) -> list[TuneStage]:
    """One search a recipe, baselines included. Refuses a space that a recipe's settings do not allow.

    It begins from what is written, not from what an earlier search found, so that the same command searches the same way again.
    """
    written_only = tuple(each.model_copy(update={"tuned": ""}) for each in pipeline.experiments)
    pipeline = pipeline.model_copy(update={"experiments": written_only})
    tune = pipeline.tune.model_copy(update={"metric": pipeline.tune.metric or pipeline.registry.metric})
    recipes = {name: _unrefitted(recipe) for name, recipe in pipeline.recipes().items()}
    known = {key for recipe in recipes.values() for key in written(recipe.settings())}
    for key in tune.space:
        if key not in known:
            raise Refused(f'tune.space."{key}": no recipe of this pipeline has it; {nearest(key, known)}')
    how, where, seed = pipeline.evaluation, pipeline.runtime, pipeline.seed
    return [
        TuneStage(name, recipe, _space(name, recipe, tune.space), tune, how, where, seed, folder, None, tell)
        for name, recipe in recipes.items()
    ]


def _unrefitted(recipe: Recipe) -> Recipe:
    """A search looks at validation; what comes after it would be thrown away."""
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"refit": False})})


def _space(name: str, recipe: Recipe, shared: Mapping[str, Component]) -> dict[str, Component]:
    """The recipe's own space or the default for what it contains, with what the pipeline lays over it; tried at its ends."""
    settings = recipe.settings()
    space = dict(recipe.tune.space) or default_space(settings)
    space |= {key: component for key, component in shared.items() if key in written(settings)}
    for key, values in build_space(space).items():
        for end in values.ends:
            try:
                alter(recipe, change(settings, {key: end}), name)
            except Refused as error:
                raise Refused(f'tune.space."{key}": {error}') from error
    return space


def _tracked(stage: TuneStage, runs: TrialRuns) -> TuneStage:
    from dataclasses import replace

    return replace(stage, tracking=runs.trial)


def _gather(stage: TuneStage, found: Path, folder: Path) -> dict[str, Any]:
    """A recipe's result; its ``best.toml`` is laid where it can be pointed at by a name that stays."""
    story: dict[str, Any] = json.loads((found / TRIALS).read_text("utf-8"))
    reasons = [trial["facts"].get("reason", "") for trial in story.pop("trials")]
    story["why"] = "" if story["best"] else next(filter(None, reasons), "every trial was pruned")
    story["fragment"] = None
    if (found / BEST).is_file():
        story["fragment"] = str(folder / f"{stage.experiment}.toml")
        with atomic_write(folder / f"{stage.experiment}.toml") as stream:
            stream.write((found / BEST).read_bytes())
    return story
