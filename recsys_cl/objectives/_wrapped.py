"""What an objective around another one says of itself, because the other says it."""

from __future__ import annotations

from recsys_cl.core.protocols import Objective

HANDED_ON = ("penalty", "everyone", "reads_layers", "reads_ids", "by_layer", "below_zero")
"""What objectives may say: that they shrink the table, read all nodes, which layers, the negatives' ids, layer by layer, or
fall below 0."""


def hand_on(wrapper: Objective, of: Objective) -> None:
    """Let ``wrapper`` say what ``of`` says."""
    for name in HANDED_ON:
        if hasattr(of, name):
            setattr(wrapper, name, getattr(of, name))


def says(objective: Objective, what: str) -> bool:
    """Whether it says one of `HANDED_ON`."""
    return bool(getattr(objective, what, False))
