"""What components can be asked before there is data: made of next to nothing, and whether one reads what another makes.

Their annotations say what they read, and mypy has proven them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from recsys_cl.core.build import names, resolve
from recsys_cl.core.errors import Refused

_READERS = {"views": ("__call__", "source"), "encoders": ("forward", "sources"), "methods": ("encode", "source")}
"""By slot: the verb that is given a source, and what it calls it."""


def smallest() -> dict[str, Any]:
    """What components are offered, as small as can be, so that they can be made and asked before there is data."""
    import torch

    from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape

    one, shape = torch.zeros(1, dtype=torch.int64), Shape(1, 1)
    some = Modality(torch.zeros(1, 1), torch.ones(1, dtype=torch.bool))
    features = ItemFeatures(defaultdict(lambda: some, some=some))  # whatever a component asks for by name
    met = Interactions(shape, one, one, one + 1)  # at some time: zero is none
    return {"shape": shape, "interactions": met, "features": features, "rng": torch.Generator()}


def made_by(feed: object) -> type | None:
    """The class of the sources that a feed makes; None where it does not say."""
    made = get_args(_hint(feed, "inference", "return"))  # Iterator[tuple[S, Tensor]]
    pair = get_args(made[0]) if made else ()
    return pair[0] if pair and isinstance(pair[0], type) else None


def refuse_unfit(slot: str, component: object, use: str, key: str, source: type | None) -> None:
    """Refuse a view, encoder or method, made or not, that cannot read ``source``; None: nobody said what that is.

    Raises:
        Refused: beginning with ``key``, with the names in the slot that can.
    """
    if source is None or _fits(slot, component, source):
        return
    able = [name for name in names(slot) if _fits(slot, resolve(slot, name, key), source)]
    raise Refused(f"{key}: '{use}' cannot read {source.__name__}, which the source is; what can: {', '.join(able)}")


def reads_any(slot: str, component: object) -> bool:
    """Whether it takes sources of every class, as one does that hands them on."""
    return not any(isinstance(hint, type) and hint is not object for hint in _alternatives(slot, component))


def _fits(slot: str, component: object, source: type) -> bool:
    if reads_any(slot, component):  # what is handed on must fit whatever it is handed to
        return all(_fits(slot, inner, source) for inner in getattr(component, "views", ()))
    return any(_is(source, hint) for hint in _alternatives(slot, component))


def _alternatives(slot: str, component: object) -> tuple[Any, ...]:
    verb, name = _READERS[slot]
    hint = _hint(component if isinstance(component, type) else type(component), verb, name)
    if get_origin(hint) is Sequence:
        (hint,) = get_args(hint)
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _hint(owner: object, verb: str, name: str) -> Any:
    try:
        return get_type_hints(getattr(owner, verb)).get(name)
    except (AttributeError, NameError, TypeError):  # a component from elsewhere need not be annotated
        return None


def _is(source: type, hint: Any) -> bool:
    if getattr(hint, "_is_protocol", False):  # a shape: whoever has its public names has it
        return all(hasattr(source, member) for member in vars(hint) if not member.startswith("_"))
    return isinstance(hint, type) and issubclass(source, hint)
