"""Interactions as the edges of a graph: which are known, how much they count by their age, and which are asked for."""

from __future__ import annotations

from recsys_cl.core.values import Interactions
from recsys_cl.ops.adjacency import Adjacency, connect
from recsys_cl.ops.ordering import Ordering, local
from recsys_cl.ops.ragged import owners
from recsys_cl.ops.recency import strengths
from recsys_cl.structures._behaviour import of_type, only


def edges(met: Interactions, recency: float, target: str | None, *, alone: bool) -> tuple[Adjacency, Adjacency]:
    """The pairs that are known, faded by ``recency``, and those to ask for: all known ones, or those of the type ``target``.

    Where the target is ``alone``, nothing else is known.
    """
    ordering = local(met.shape, met.users, met.items)
    if target is None:
        return (whole := _aged(met, recency, ordering)), whole
    if alone:
        return (whole := _aged(only(met, target, "source.target"), recency, ordering)), whole
    return _aged(met, recency, ordering), of_type(met, target, "source.target", ordering)


def _aged(met: Interactions, recency: float, ordering: Ordering | None) -> Adjacency:
    """Each pair counts for ``(1 + age) ** -recency``, by its newest interaction."""
    if not recency:
        return connect(met.shape, met.users, met.items, ordering=ordering)
    histories = met.by_user()
    users, fading = owners(histories.lengths), strengths(histories, recency)
    return connect(met.shape, users, histories.values, ordering=ordering, strengths=fading)
