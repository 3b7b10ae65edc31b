"""A name in a TOML becomes an object: ``"lightgcn"`` or ``"my_pkg.mod:MyEncoder"``, arguments checked first."""

from __future__ import annotations

import inspect
import json
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.settings import Component

_VERBS = {"structures": "inference", "methods": "losses", "ingest.sources": "read"}
"""A component is the one class in its file that can do its slot's verb; being called is the verb of all other slots."""


@cache  # a recipe's check asks for each of its components, and a package's files do not change
def names(slot: str) -> tuple[str, ...]:
    """The component names of a slot, e.g. ``names("encoders")``; one file is one component."""
    package = import_module(f"recsys_cl.{slot}")
    return tuple(sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")))


def resolve(slot: str, use: str, key: str) -> Callable[..., Any]:
    """The class that ``use`` names. ``key`` is where it stands in the settings, for the message."""
    if ":" in use:
        try:
            return pkgutil.resolve_name(use)  # type: ignore[no-any-return]
        except (ImportError, AttributeError, ValueError) as error:
            raise Refused(f"{key}: cannot import '{use}': {error}") from error
    if use not in names(slot):
        raise Refused(f"{key}: no '{use}' in recsys_cl.{slot}; {nearest(use, names(slot))}")
    module = import_module(f"recsys_cl.{slot}.{use}")
    verb = _VERBS.get(slot, "__call__")
    classes = [c for c in vars(module).values() if _is_component(c, module.__name__, verb)]
    if len(classes) != 1:
        raise TypeError(f"{module.__name__} must hold exactly one public class with '{verb}', found {len(classes)}")
    return classes[0]  # type: ignore[no-any-return]


def build(slot: str, component: Component, key: str, **context: object) -> Any:
    """Construct a component from its settings.

    Args:
        slot: the package it lives in (``"encoders"``, ``"views"``, ...).
        component: ``use`` and the arguments of the constructor.
        key: where it stands in the settings, e.g. ``encoder``; errors begin with it.
        context: what the program offers (``shape``, ``interactions``, ``rng``, ...); the constructor takes what it names.
    """
    make = resolve(slot, component.use, key)
    return make(**check(make, component, key, frozenset(context)), **{k: v for k, v in context.items() if k in _wants(make)})


def check(make: Callable[..., Any], component: Component, key: str, context: frozenset[str]) -> dict[str, Any]:
    """The component's arguments, each validated against the constructor's annotation. Needs no data."""
    parameters = _wants(make)
    hints = get_type_hints(make.__init__ if inspect.isclass(make) else make, include_extras=True)
    allowed = [name for name in parameters if name not in context]
    for name in component.arguments:
        if name not in allowed:
            raise Refused(f"{key}.{name}: '{component.use}' takes no such argument; {nearest(name, allowed)}")
    for name in allowed:
        if parameters[name].default is inspect.Parameter.empty and name not in component.arguments:
            raise Refused(f"{key}.{name}: '{component.use}' needs this argument")
    return {name: _typed(hints[name], value, f"{key}.{name}") for name, value in component.arguments.items()}


def _typed(hint: Any, value: object, key: str) -> Any:
    try:
        # Through JSON, because only there does pydantic's strict mode let an array stand for a tuple.
        return TypeAdapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise Refused(f"{key}: {error.errors()[0]['msg'].lower()}, got {value!r}") from error


def _wants(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(make).parameters


def _is_component(value: object, module: str, verb: str) -> bool:
    if not inspect.isclass(value) or value.__module__ != module or value.__name__.startswith("_"):
        return False
    return any(verb in vars(ancestor) for ancestor in value.__mro__)
