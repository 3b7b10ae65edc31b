"""The encodings that a batch's objectives read: its own rows, and everyone's where one of them asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Encoder, Objective
from recsys_cl.core.values import Batch, Encoding, Shape

S = TypeVar("S")


def reads_everyone(objectives: Iterable[tuple[float, Objective]]) -> bool:
    """Whether any of the weighted objectives asks for all users and items."""
    return any(getattr(objective, "everyone", False) for _, objective in objectives)


def encode(encoder: Encoder[S], sources: Sequence[S], batch: Batch[Any], everyone: Shape | None = None) -> Sequence[Encoding]:
    """One encoding a source with the rows of ``batch``; with ``everyone`` given, cut from encodings of all there are.

    Raises:
        Refused: the encoder reads one history at a time and cannot give all users.
    """
    if everyone is None:
        return encoder(sources, batch.users, batch.items)
    users = torch.arange(everyone.users, device=batch.users.device)
    return [_cut(whole, batch, everyone) for whole in encoder(sources, users)]


def _cut(whole: Encoding, batch: Batch[Any], shape: Shape) -> Encoding:
    if (len(whole.users), len(whole.items)) != (shape.users, shape.items):
        raise Refused("negatives = 'all' needs an encoder that gives all users at once, as those of graphs do")
    layers = tuple(_rows(layer, batch.users, batch.items) for layer in whole.layers)
    return replace(_rows(whole, batch.users, batch.items), layers=layers, everyone=whole)


def _rows(whole: Encoding, users: Tensor, items: Tensor | None) -> Encoding:
    chosen = whole.items if items is None else whole.items.index_select(0, items)
    present = whole.present if whole.present is None or items is None else whole.present[items]
    parts = {name: _rows(part, users[: len(part.users)], items) for name, part in whole.parts.items()}
    return Encoding(whole.users.index_select(0, users), chosen, parts=parts, present=present)
