"""A space is settings by dotted key, each with its range: declared, or derived from what the recipe contains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.settings import Component
from recsys_cl.tuning.trial import Range, Value

_WITHIN = (("training.learning_rate", 10.0), ("*.weight", 10.0), ("*.temperature", 3.0), ("*.eps", 3.0), ("*.gamma", 3.0))
"""By default these settings, where a recipe has them, vary log-uniformly within this factor of the recipe's own value."""

_BETWEEN = (("*.dropout", 0.0, 0.8), ("*.recency", 0.0, 2.0))
"""And these uniformly between two values."""


def default_space(settings: Mapping[str, Any]) -> dict[str, Component]:
    """What is worth varying in a recipe that declares no space, by the settings it contains; possibly nothing."""
    space = {}
    for key, value in written(settings).items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        for pattern, factor in _WITHIN:
            if fnmatch(key, pattern) and value > 0:
                low, high = (float(f"{end:.6g}") for end in (value / factor, value * factor))
                space[key] = Component.model_validate({"use": "log_uniform", "low": low, "high": high})
        for pattern, low, high in _BETWEEN:
            if fnmatch(key, pattern):
                space[key] = Component.model_validate({"use": "uniform", "low": min(low, value), "high": max(high, value)})
    return space


def build_space(space: Mapping[str, Component]) -> dict[str, Range]:
    """The ranges by key. Refuses an unknown range, and wrong arguments, naming the key."""
    ranges: dict[str, Range] = {}
    for key, component in space.items():
        place = f'tune.space."{key}"'
        try:
            ranges[key] = build("tuning.ranges", component, place)
        except Refused as error:
            raise Refused(str(error) if str(error).startswith(place) else f"{place}: {error}") from error
    return ranges


def written(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's settings by dotted key; those of training only where there is any."""
    trained = settings["training"]["epochs"] > 0
    return {key: value for key, value in leaves(settings) if trained or not key.startswith("training.")}


def leaves(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no table, by dotted key; places in a list are numbers: ``views.0.rate``."""
    for name, value in _inside(values).items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping | list | tuple):
            yield from leaves(value, f"{key}.")
        else:
            yield key, value


def own(settings: Mapping[str, Any], ranges: Mapping[str, Range]) -> dict[str, Value] | None:
    """The recipe's own values, or None where one is not written in it or lies outside its range."""
    there = dict(leaves(settings))
    values = {key: there.get(key) for key in ranges}
    inside = all(each.holds(values[key]) for key, each in ranges.items())
    return {key: value for key, value in values.items() if value is not None} if inside else None


def change(settings: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """``values`` by dotted key as the tables that ``merge`` lays over ``settings``.

    Raises:
        Refused: a table on the way is not in ``settings``; the message names the nearest that is.
    """
    changed: dict[str, Any] = {}
    for key, value in values.items():
        *way, last = key.split(".")
        table, there = changed, _inside(settings)
        for name in way:
            if name not in there or not (inner := _inside(there[name])):
                tables = [known for known, held in there.items() if _inside(held)]
                raise Refused(f"tune.space.\"{key}\": the recipe has no '{name}'; {nearest(name, tables)}")
            table, there = table.setdefault(name, {}), inner
        table[last] = value
    return changed


def _inside(values: Any) -> Mapping[str, Any]:
    """What a table or list holds, by name or place; nothing where it is neither."""
    if isinstance(values, list | tuple):
        return {str(place): value for place, value in enumerate(values)}
    return values if isinstance(values, Mapping) else {}
