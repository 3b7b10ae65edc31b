"""Items that have something in common draw each other near: met in one session, or of one category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from annotated_types import Gt
from torch import Tensor

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.values import Batch, Encoding, Interactions, ItemFeatures, Ragged
from recsys_cl.ops.precision import full_precision
from recsys_cl.ops.ragged import owners, spans, take
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature, lift

SESSION = "session"


class Related:
    """``-mean_{p in P(i)} log exp(s(i,p)/tau) / sum_{j != i} exp(s(i,j)/tau)``, mean over items that have a P(i).

    ``i`` and ``j`` are the batch's distinct positives, or the whole catalogue where the batch asks for it (I x I numbers), and
    P(i) those of them that share a session or a category with ``i`` (cross-sample positives: Khosla et al. 2020,
    arXiv:2004.11362, equation 2, the group in place of the label).

    Args:
        interactions: of train; whose times say what a session is.
        features: of the items.
        by: ``session``, or a modality whose coordinates are categories (``prepare.features``: ``use = "category"``).
        gap: seconds; a longer pause between two events of a user begins a new session.
        temperature: tau.
        similarity: of two items.

    Raises:
        Refused: there is no such modality, or times are asked for and the log has none.
    """

    views = 0

    def __init__(
        self,
        interactions: Interactions,
        features: ItemFeatures | None = None,
        *,
        by: str = SESSION,
        gap: Annotated[float, Gt(0)] = 1800.0,
        temperature: Temperature = 0.1,
        similarity: Similarity = "cosine",
    ) -> None:
        self.temperature = checked_temperature(temperature)
        self.similarity: Similarity = similarity
        self.groups = _sessions(interactions, gap) if by == SESSION else _categories(features, by)

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the items of the batch that are related to another one there; 0 where none is."""
        ids = torch.arange(len(main.items), device=main.items.device) if batch.items is None else batch.items
        count = batch.positives or len(ids)
        alike = _alike(take(self.groups, ids[:count]))
        return _drawn_together(main.items[:count], alike, self.temperature, self.similarity)


def _sessions(met: Interactions, gap: float) -> Ragged:
    """The sessions that each item was met in, [I rows]."""
    if len(met) and not met.times.any():
        raise Refused("objectives: 'related' by session reads when items were met, and the log does not say")
    order = torch.argsort(met.users, stable=True)
    users, times = met.users[order], met.times[order]
    begins = torch.ones_like(users, dtype=torch.bool)
    begins[1:] = (users[1:] != users[:-1]) | (times[1:] - times[:-1] > gap * 1e6)
    return Ragged.group(met.items[order], begins.cumsum(0), met.shape.items)


def _categories(features: ItemFeatures | None, by: str) -> Ragged:
    try:
        told = features.modalities[by]  # type: ignore[union-attr]
    except (AttributeError, KeyError):
        names = () if features is None else tuple(features.modalities)
        raise Refused(
            f"objectives: 'related' by '{by}': no such feature of the items; {nearest(by, [SESSION, *sorted(names)])}"
        ) from None
    rows, kinds = told.categories(by).nonzero(as_tuple=True)
    return Ragged.group(rows, kinds, len(told.values))


def _alike(groups: Ragged) -> Tensor:
    """Which of M rows share a group with which other, [M, M] bool."""
    rows, known = owners(groups.lengths, groups.values.numel()), torch.unique(groups.values, return_inverse=True)
    members = Ragged.group(known[1], rows, len(known[0]))
    sizes = members.lengths[known[1]]
    others = members.values[spans(members.offsets[known[1]], sizes)]
    alike = torch.zeros(len(groups), len(groups), dtype=torch.bool, device=rows.device)
    alike[rows[owners(sizes)], others] = True
    return alike.fill_diagonal_(fill_value=False)


@full_precision
def _drawn_together(items: Tensor, alike: Tensor, temperature: float, similarity: Similarity) -> Tensor:
    asked = alike.any(1)
    one, other = lift(items[asked], items, similarity)
    near = alike[asked]
    logits = (one / temperature) @ other.T
    itself = torch.zeros_like(alike).fill_diagonal_(fill_value=True)[asked]
    mass = logits.masked_fill(itself, -torch.inf).logsumexp(-1)
    mean = (logits * near).sum(-1) / near.sum(-1)
    return (mass - mean).sum() / max(len(near), 1)
