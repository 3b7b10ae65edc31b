"""The encodings that a batch's objectives read: its own rows, and everyone's where one of them asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Encoder, Feed, Objective
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


@torch.no_grad()
def everyone(
    encoder: Encoder[S], feed: Feed[S], rows: Callable[[Encoding], Encoding], device: torch.device
) -> tuple[Tensor, Tensor]:
    """All users [U, D] and the catalogue [I, D] as they are when nothing is being learned; ``rows`` says which layer."""
    parts: list[tuple[Tensor, Tensor]] = []
    assert isinstance(encoder, nn.Module), "an encoder is a module"
    was = encoder.training
    encoder.eval()
    for source, served in feed.inference(torch.arange(feed.shape.users, device=device)):
        found = rows(encoder([source], served)[0])
        parts.append((served, found.users))
    encoder.train(was)
    order = torch.argsort(torch.cat([served for served, _ in parts]))
    return torch.cat([part for _, part in parts])[order], found.items


def scored(encoding: Encoding, similarity: Literal["dot", "cosine"]) -> Encoding:
    """Vectors whose dot product is the score: those of ``encoding``, on the unit sphere where a score is a cosine."""
    if similarity == "dot":
        return encoding
    return Encoding(normalize(encoding.users, dim=-1), normalize(encoding.items, dim=-1))


def _cut(whole: Encoding, batch: Batch[Any], shape: Shape) -> Encoding:
    if (len(whole.users), len(whole.items)) != (shape.users, shape.items):
        raise Refused("negatives = 'all' needs an encoder that gives all users at once, as those of graphs do")
    layers = tuple(_rows(layer, batch.users, batch.items) for layer in whole.layers)
    return replace(_rows(whole, batch.users, batch.items), layers=layers, everyone=whole)


def _rows(whole: Encoding, users: Tensor, items: Tensor | None) -> Encoding:
    chosen = whole.items if items is None else whole.items.index_select(0, items)
    present = whole.present if whole.present is None or items is None else whole.present[items]
    parts = {name: _rows(part, users[: len(part.users)], items) for name, part in whole.parts.items()}
    members = None if whole.members is None else whole.members[users]
    return replace(
        whole, users=whole.users.index_select(0, users), items=chosen, layers=(), parts=parts, present=present, members=members
    )
