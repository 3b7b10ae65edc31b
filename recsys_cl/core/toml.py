"""TOML text to typed settings; what is wrong is refused, naming file, line, key and the nearest valid one."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from recsys_cl.core.errors import Refused, nearest

T = TypeVar("T", bound=BaseModel)


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
    """TOML to a dictionary; ``${NAME}`` in strings is filled from the environment, ``${NAME:-default}`` where it may be unset.

    Raises:
        Refused: it is no TOML, or a variable without a default is unset.
    """
    try:
        return _expand(tomllib.loads(text))  # type: ignore[no-any-return]
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path}: not valid TOML: {error}") from error
    except KeyError as error:
        name = error.args[0]
        line = next((f":{number}" for number, words in enumerate(text.splitlines(), start=1) if f"${{{name}}}" in words), "")
        raise Refused(
            f"{path}{line}: ${{{name}}} is not set in the environment; set it, or say what to take instead: ${{{name}:-...}}"
        ) from error


def merge(values: Mapping[str, Any], change: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """``values`` with ``change`` laid over it, table by table. A component whose ``use`` changes starts from nothing.

    A list is changed in places by a table of their numbers, ``{"0": {"rate": 0.2}}``, as ``--set override.views.0.rate=0.2``
    has it; another list takes its place. ``place`` is the dotted key of the two, with a dot behind it.

    Raises:
        Refused: a list has no such place.
    """
    merged = dict(values)
    for key, new in change.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            replaced = "use" in new and new["use"] != old.get("use")
            merged[key] = new if replaced else merge(old, new, f"{place}{key}.")
        elif isinstance(old, list | tuple) and isinstance(new, Mapping):
            merged[key] = _merge_rows({str(at): row for at, row in enumerate(old)}, new, f"{place}{key}")
        else:
            merged[key] = new
    return merged


def _merge_rows(rows: Mapping[str, Any], change: Mapping[str, Any], place: str) -> list[Any]:
    for key in change:
        if key not in rows:
            raise Refused(f"{place} is a list and has no place {key}; {nearest(key, rows)}")
    return list(merge(rows, change, f"{place}.").values())


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
    try:
        with telling_where(path, text):
            # Through JSON: only there does pydantic's strict mode let an array stand for a tuple.
            return model.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        problems = [_explain(model, problem, text) for problem in error.errors()]
        raise Refused("; ".join(f"{path}{problem}" for problem in problems)) from error


@contextmanager
def telling_where(path: str | Path, text: str) -> Iterator[None]:
    """Whatever is refused meanwhile is told with the file, and with the line of the key that its message begins with."""
    try:
        yield
    except Refused as error:
        where = _path(str(error).partition(":")[0])
        lines = (line_of(where[:length], text) for length in range(len(where), 0, -1))  # or of the table that it stands in
        line = next((f":{line}" for line in lines if line), "")
        raise type(error)(f"{path}{line}: {error}") from error


def _explain(model: type[BaseModel], problem: Any, text: str) -> str:
    where = [str(part) for part in problem["loc"]]
    key, line = ".".join(where), line_of(where, text)
    place = f":{line}: {key}" if line else f": {key}"
    if problem["type"] == "extra_forbidden":
        return f"{place}: unknown key; {nearest(where[-1], _fields_at(model, where[:-1]))}"
    if problem["type"] == "missing":
        return f"{place}: is needed"
    if problem["type"] == "value_error":  # in a validator's own words
        return f"{place}: {problem['ctx']['error']}"
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


def line_of(where: list[str], text: str, value: str | None = None) -> int | None:
    """The line of a key in a TOML text, found by its table header and name; None when it was not written there.

    With ``value``, one of the key's strings: the line on which it stands.
    """
    line = _line_of_key(where, text)
    if line is None or value is None:
        return line
    later = enumerate(text.splitlines()[line - 1 :], start=line)
    return next((number for number, words in later if json.dumps(value, ensure_ascii=False) in words), line)


def _line_of_key(where: list[str], text: str) -> int | None:
    """With the places in lists as they are counted in the text, or else, for a list written in one line, without them."""
    names = _path(".".join(where))
    return _first(names, text, counted=True) or _first([name for name in names if not name.isdigit()], text, counted=False)


def _first(names: list[str], text: str, *, counted: bool) -> int | None:
    table: list[str] = []
    rows: dict[str, int] = {}  # of each array of tables, how many began so far
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*(\[\[?)([^\]]+)\]\]?", line):
            key = ".".join(_path(header[2]))
            rows[key] = rows.get(key, 0) + (header[1] == "[[")
            rows = {name: begun for name, begun in rows.items() if not name.startswith(f"{key}.")}  # counted anew in it
            table = _counted(key, rows) if counted else _path(key)
            if table == names:
                return number
        elif (pair := re.match(r"\s*([\w.\-\"']+)\s*=", line)) and [*table, *_path(pair[1])] == names:
            return number
    return None


def _counted(key: str, rows: Mapping[str, int]) -> list[str]:
    """A header's parts, behind each array of tables the place of the one that is open."""
    parts: list[str] = []
    for at, part in enumerate(names := key.split(".")):
        begun = rows.get(".".join(names[: at + 1]), 0)
        parts += [part, str(begun - 1)] if begun else [part]
    return parts


def _path(key: str) -> list[str]:
    """A dotted key's parts; a quoted one with dots in it counts as several, on both sides of a comparison."""
    return [part.strip().strip("\"'") for part in key.split(".")]


def _variable(name: str, default: str | None) -> str:
    """As a shell has it: a default stands for a variable that is unset or empty."""
    return os.environ[name] if default is None else os.environ.get(name) or default


def _expand(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: _variable(m[1], m[2]), value)
    if isinstance(value, dict):
        return {key: _expand(inner) for key, inner in value.items()}
    return [_expand(inner) for inner in value] if isinstance(value, list) else value
