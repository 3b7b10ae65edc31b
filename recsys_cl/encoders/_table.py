"""The embedding table of users and items in one parameter: row u is user u, row U + i is item i."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.ops.adjacency import connect
from recsys_cl.ops.low_rank import leading

Init = Literal["xavier", "normal", "small"]
"""``xavier``: uniform, each table's bound from its own size (SELFRec); ``normal``: deviation 0.1 (LightGCN-PyTorch);
``small``: deviation 1e-4 (UltraGCN, SimpleX)."""

Start = Literal[Init, "spectral"]
"""``spectral``: where a spectral embedding of the interactions has put everybody, see ``spectral``; else as ``Init``."""

_DEVIATION = 0.1


def table(shape: Shape, dim: int, init: Init, rng: Generator) -> nn.Parameter:
    """A fresh table [U + I, dim]."""
    values = torch.empty(shape.users + shape.items, dim)
    for part in (values[: shape.users], values[shape.users :]):
        if init == "xavier":
            nn.init.xavier_uniform_(part, generator=rng)
        else:
            nn.init.normal_(part, std=0.1 if init == "normal" else 1e-4, generator=rng)
    return nn.Parameter(values)


def begin(
    shape: Shape, dim: int, init: Start, rng: Generator, interactions: Interactions | None, scale: float = 1.0
) -> nn.Parameter:
    """A fresh table [U + I, dim], which may begin from the ``interactions``; all its values are ``scale`` times as large.

    Raises:
        Refused: it should, and there are none.
    """
    if init != "spectral":
        start = table(shape, dim, init, rng)
    elif interactions is None:
        raise Refused("encoder.init: 'spectral' needs the interactions; build the encoder of a recipe")
    else:
        start = spectral(interactions, dim, rng)
    start.data.mul_(scale)
    return start


def spectral(interactions: Interactions, dim: int, rng: Generator) -> nn.Parameter:
    """A table [U + I, dim] whose dot products are the best approximation of rank ``dim`` to the normalised adjacency.

    With R = D_u^-1/2 X D_i^-1/2 and its leading triplets U S V', users begin at U S^1/2 and items at V S^1/2, scaled together
    to deviation 0.1: what LightGCN's layers keep longest (Shen et al., 2021, arXiv:2108.07567, section 4) needs not be found
    by descent. ``xavier`` values lie beneath, so that a node which met nobody, and columns beyond the rank, begin as ever.
    """
    shape = interactions.shape
    start = table(shape, dim, "xavier", rng)
    users, values, items = leading(connect(shape, interactions.users, interactions.items), dim, rng)
    found = torch.cat((users, items)) * values.sqrt()
    with torch.no_grad():
        start[:, : values.numel()] += (found * (_DEVIATION / found.square().mean().sqrt().clamp(min=1e-12))).to(start)
    return start


Layers = Annotated[int, Field(ge=0, le=100)]
"""Layers of propagation; long before the hundredth all vectors of a component are alike."""


LayerWeights = tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]
"""What the table and each layer after it count for, beside one another."""


def shares(
    layers: int,
    *,
    include_input: bool,
    combine: Literal["mean", "sum"] = "mean",
    weights: LayerWeights | None = None,
) -> tuple[float, ...]:
    """What the table itself and each of ``layers`` layers count for, [layers + 1]; ``weights`` are scaled to a sum of 1.

    Raises:
        Refused: nothing would be left, weights are not one for each, or say again what other arguments say.
    """
    if weights is not None:
        if not include_input or combine != "mean":
            raise Refused(
                "encoder.layer_weights: says all of it; leave include_input and combine away (0 leaves the table out)"
            )
        if len(weights) != layers + 1 or not sum(weights):
            raise Refused(f"encoder.layer_weights: must be {layers + 1} numbers, the table's first, and not all 0")
        return tuple(weight / sum(weights) for weight in weights)
    if not layers and not include_input:
        raise Refused("encoder.layers: must be at least 1 where the table itself is left out (include_input = false)")
    first = 0 if include_input else 1
    each = 1.0 if combine == "sum" else 1 / (layers + 1 - first)
    return tuple(each * (layer >= first) for layer in range(layers + 1))


def refuse_beyond_memory(layers: int, shape: Shape, dim: int) -> None:
    """Refuse layers whose outputs, beside the table, its gradient and two moments, would not fit into this machine.

    Raises:
        Refused: they would not; the message names need and machine.
    """
    need = (layers + 4) * (shape.users + shape.items) * dim * 4
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > have:
        what = f"{layers} layers of {shape.users + shape.items:,} vectors of {dim}"
        raise Refused(f"encoder.layers: {what} take {need / 2**30:,.1f} GiB; this machine has {have / 2**30:,.1f} GiB")


def nodes(shape: Shape, users: Tensor, items: Tensor | None) -> Tensor:
    """The table's rows for ``users`` [U] followed by ``items`` [M], or by the whole catalogue."""
    catalogue = torch.arange(shape.items, device=users.device) if items is None else items
    return torch.cat((users, catalogue + shape.users))
