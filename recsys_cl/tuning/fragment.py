"""What was found, as TOML to be pasted below an experiment's ``recipe`` or read by ``tuned``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def fragment(comment: str, trials: int, change: Mapping[str, Any]) -> str:
    """``trials = N`` and ``change`` as lines ``set.TABLE.KEY = value`` under a comment; lists in one line."""
    lines = [*(f"# {line}" for line in comment.splitlines()), f"trials = {trials}"]
    return "\n".join([*lines, *(f"{key} = {_value(value)}" for key, value in _rows(change, "set"))]) + "\n"


def _rows(values: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        key = f"{prefix}.{name}"
        rows += _rows(value, key) if isinstance(value, Mapping) else [(key, value)]
    return rows


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_value(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, allow_nan=False)  # TOML writes text, numbers, true and false as JSON does
