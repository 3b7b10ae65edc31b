"""What components can be asked before there is data: made of next to nothing, and whether one reads what another makes.

Their annotations say which sources they read, and mypy has proven them; what encodings are made of, a small one shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from recsys_cl.core.build import build, names, resolve
from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.protocols import GRADIENT

if TYPE_CHECKING:  # torch is slow to import
    from recsys_cl.core.settings import Component
    from recsys_cl.core.values import Encoding

_READERS = {"views": ("__call__", "source"), "encoders": ("forward", "sources"), "methods": ("encode", "source")}
"""By slot: the verb that is given a source, and what it calls it."""


_FEW = 8
"""How many users and items there are in `smallest`."""


def smallest() -> dict[str, Any]:
    """What components are offered, as small as can be, so that they can be made and asked before there is data.

    Everybody met half of the items, of two categories, at times of their own.
    """
    import torch

    from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape

    met = torch.arange(_FEW * _FEW // 2)
    users, shape = met % _FEW, Shape(_FEW, _FEW)
    some = Modality(torch.eye(2).repeat(_FEW // 2, 1), torch.ones(_FEW, dtype=torch.bool))
    features = ItemFeatures(defaultdict(lambda: some, some=some), ItemFeatures({"some": some}))  # whatever is asked for by name
    interactions = Interactions(shape, users, (users + met // _FEW) % _FEW, met + 1)  # a time of zero is none
    return {"shape": shape, "interactions": interactions, "features": features, "rng": torch.Generator()}


def encoding_of(source: Component, encoder: Any, views: Sequence[Any]) -> Encoding | None:
    """What ``encoder`` makes of what is `smallest`; None where the ``source`` or a view refuses so little.

    Raises:
        Refused: the encoder cannot do what a view asks of it.
    """
    import torch

    everybody = torch.arange(_FEW)
    with torch.no_grad(), torch.random.fork_rng(devices=()):  # dropout draws, and whoever reads a recipe must not
        try:  # what a source asks of the log, and what a view leaves, depends on what there is
            plain, users = next(iter(build("structures", source, "source", **smallest(), sampler=None).inference(everybody)))
            seen = [view(plain, torch.Generator()) for view in views]
        except Refused:
            return None
        return next(iter(encoder([plain, *seen], users, everybody)))  # type: ignore[no-any-return]


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


def refuse_unread(objective: object, key: str, use: str, main: Encoding | None, drawn: int | None) -> None:
    """Refuse an objective that reads layers or parts that ``main`` has not, or more negatives than are ``drawn``.

    None is not known.

    Raises:
        Refused: beginning with ``key``, or with that of the number of negatives.
    """
    needed = getattr(objective, "reads_negatives", 0)
    if drawn is not None and drawn < needed:
        where, have = ("sampler.negatives", f"{drawn} are") if drawn else ("sampler", "none is")
        raise Refused(f"{where}: '{use}' under {key} reads {needed} drawn for each query, and {have}")
    if main is None:
        return
    for layer in getattr(objective, "reads_layers", ()):
        if isinstance(layer, str):
            part = layer.split("/")[0]  # which ones a part has of its own, the data says
            if part not in main.parts:
                raise Refused(
                    f"{key}: '{use}' reads the part '{part}', which the encoder does not give; {nearest(part, main.parts)}"
                )
        elif not 0 <= layer < len(main.layers):
            raise Refused(f"{key}: '{use}' reads layer {layer}, and the encoder gives {len(main.layers)}, counted from 0")


def refuse_name(name: str, objective: object, use: str, method: object) -> None:
    """Refuse to call an objective as a loss term of the ``method``, or as what torch keeps for itself where it has weights."""
    from torch import nn

    if name in (GRADIENT, *getattr(method, "terms", ())):
        raise Refused(f"objectives.{name}: training with '{use}' counts something else under that name; choose another")
    if isinstance(objective, nn.Module) and hasattr(nn.ModuleDict(), name):
        raise Refused(f"objectives.{name}: torch keeps no weights under that name; choose another")


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
