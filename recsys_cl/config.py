"""One TOML becomes typed, frozen settings; what is wrong is refused, naming file, line, key and the nearest valid one."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError

from recsys_cl.core.build import build, check, resolve
from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.settings import Component, Settings
from recsys_cl.training.plan import Plan

T = TypeVar("T", bound=BaseModel)

CONTEXT = frozenset({"shape", "interactions", "rng", "sampler"})
"""What the program offers to a recipe's components; all other constructor arguments are settings."""


class Published(Settings):
    """A number printed by others, and how they chose the model it belongs to."""

    data: str
    metrics: dict[str, float]
    selection: Literal["test", "validation"]
    source: str


class Measured(Settings):
    """A number of ours: which data (digest of what was ingested), which command, when."""

    data: str
    digest: str
    metrics: dict[str, float]
    selection: Literal["validation"] = "validation"
    command: str
    date: str
    note: str = ""


class Provenance(Settings):
    """Where a recipe comes from and what it reached."""

    paper: str
    note: str = ""
    published: tuple[Published, ...] = ()
    measured: tuple[Measured, ...] = ()


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

    def settings(self) -> dict[str, Any]:
        """Everything that decides the result, JSON-able; titles and provenance are left out."""
        return self.model_dump(mode="json", exclude={"title", "family", "provenance"})


class Runtime(Settings):
    """Where a recipe runs."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    threads: int = Field(0, ge=0)  # 0: as many as torch chooses


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
    recipe = validate(Recipe, values, path, text)
    try:
        _check_components(recipe)
    except Refused as error:
        raise type(error)(f"{path}: {error}") from error
    return recipe


def recipe_names() -> tuple[str, ...]:
    """Every recipe that comes with the package."""
    folder = resources.files("recsys_cl.recipes")
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def _check_components(recipe: Recipe) -> None:
    """Refuse what can be refused without data: names, argument names and types, and views that an objective lacks."""
    slots = {"source": "structures", "sampler": "samplers", "encoder": "encoders", "method": "methods"}
    offered = CONTEXT | {"encoder", "views", "objectives", "main_view"}
    for key, slot in slots.items():
        component: Component | None = getattr(recipe, key)
        if component is not None:
            check(resolve(slot, component.use, f"{key}.use"), component, key, offered)
    for number, view in enumerate(recipe.views):
        build("views", view, f"views.{number}")
    if recipe.main_view is not None:
        build("views", recipe.main_view, "main_view")
    for name, component in recipe.objectives.items():
        key = f"objectives.{name}"
        needed = build("objectives", without_weight(component), key).views
        if needed > len(recipe.views):
            raise Refused(
                f"{key}: '{component.use}' reads {needed} views, but the recipe declares {len(recipe.views)} under [[views]]"
            )


def without_weight(objective: Component) -> Component:
    """An objective's own settings; its ``weight`` is the method's business."""
    return Component.model_validate({k: v for k, v in objective.model_dump().items() if k != "weight"})


def read_text(path: Path) -> str:
    """A settings file's text, or a refusal that names it."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        siblings = [p.name for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        raise Refused(f"{path}: no such file; {nearest(path.name, siblings)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: cannot be read as UTF-8 text: {error}") from error


def parse(text: str, path: str | Path) -> dict[str, Any]:
    """TOML to a dictionary; ``${NAME:-default}`` in strings is filled from the environment."""
    try:
        return _expand(tomllib.loads(text))  # type: ignore[no-any-return]
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path}: not valid TOML: {error}") from error


def merge(values: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with ``change`` laid over it, table by table. A component whose ``use`` changes starts from nothing."""
    merged = dict(values)
    for key, new in change.items():
        old = merged.get(key)
        both_tables = isinstance(old, Mapping) and isinstance(new, Mapping)
        replaced = both_tables and "use" in new and new["use"] != old.get("use")  # type: ignore[union-attr]
        merged[key] = merge(old, new) if both_tables and not replaced else new  # type: ignore[arg-type]
    return merged


def assignment(text: str) -> dict[str, Any]:
    """``"override.training.epochs=3"`` as nested tables; the value is TOML, or else plain text."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise Refused(f"--set {text}: expected key=value, e.g. --set override.training.epochs=3")
    try:
        parsed: Any = tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return parsed  # type: ignore[no-any-return]


def validate(model: type[T], values: Mapping[str, Any], path: str | Path, text: str) -> T:
    """Typed settings, or one refusal that lists every wrong key with its line."""
    import json

    try:
        # Through JSON: only there does pydantic's strict mode let an array stand for a tuple.
        return model.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        problems = [_explain(model, problem, text) for problem in error.errors()]
        raise Refused("; ".join(f"{path}{problem}" for problem in problems)) from error


def _explain(model: type[BaseModel], problem: Any, text: str) -> str:
    where = [str(part) for part in problem["loc"]]
    key, line = ".".join(where), _line_of(where, text)
    place = f":{line}: {key}" if line else f": {key}"
    if problem["type"] == "extra_forbidden":
        return f"{place}: unknown key; {nearest(where[-1], _fields_at(model, where[:-1]))}"
    if problem["type"] == "missing":
        return f"{place}: is needed"
    return f"{place}: {problem['msg'][0].lower()}{problem['msg'][1:]}, got {problem['input']!r}"


def _fields_at(model: type[BaseModel], where: Iterable[str]) -> tuple[str, ...]:
    """The keys that are valid in the table at ``where``."""
    for part in where:
        field = model.model_fields.get(part)
        if field is None:
            continue
        inner = [t for t in _types_in(field.annotation) if isinstance(t, type) and issubclass(t, BaseModel)]
        if not inner:
            return ()
        model = inner[0]
    return tuple(model.model_fields)


def _types_in(annotation: Any) -> list[Any]:
    parts = get_args(annotation)
    return [annotation] if not parts else [t for part in parts for t in _types_in(part)]


def _line_of(where: list[str], text: str) -> int | None:
    """The line of a key in a TOML text, found by its table header and name; None when it was not written there."""
    names = [part for part in where if not part.isdigit()]
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\[?([^\]]+)\]\]?", line):
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            if table == names:
                return number
        elif (pair := re.match(r"\s*([\w.\-\"']+)\s*=", line)) and [*table, *pair[1].split(".")] == names:
            return number
    return None


def _expand(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: os.environ.get(m[1], m[2] or ""), value)
    if isinstance(value, dict):
        return {key: _expand(inner) for key, inner in value.items()}
    return [_expand(inner) for inner in value] if isinstance(value, list) else value
