"""The pairs of one kind of behaviour."""

from __future__ import annotations

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.values import Interactions
from recsys_cl.ops.adjacency import Adjacency, connect
from recsys_cl.ops.ordering import Ordering


def only(met: Interactions, name: str, who: str) -> Interactions:
    """The interactions with an event of type ``name``; what came later than train is of no type.

    Raises:
        Refused: there are none; the message begins with ``who`` asked for them.
    """
    had = met.behaviours.get(name)
    if had is None or not had.any():
        hint = nearest(name, met.behaviours) if met.behaviours else "prepare.behaviours = true keeps types of event"
        raise Refused(f"{who}: no interaction of train has an event '{name}'; {hint}")
    return Interactions(met.shape, met.users[had], met.items[had], met.times[had])


def of_type(met: Interactions, name: str, who: str, ordering: Ordering | None = None) -> Adjacency:
    """The pairs of `only` those, in ``ordering``."""
    found = only(met, name, who)
    return connect(found.shape, found.users, found.items, ordering=ordering)
