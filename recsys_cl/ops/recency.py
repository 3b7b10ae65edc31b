"""How much what was met counts by now: the older, the less."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from recsys_cl.core.values import Ragged
from recsys_cl.ops.ragged import owners

Recency = Annotated[float, Interval(ge=0, le=4)]
"""How fast things fade; beyond 4 the oldest of a long history would count for less than a float can hold."""


def strengths(histories: Ragged, recency: float) -> Tensor:
    """``(1 + age) ** -recency`` of each thing in ``histories`` [N], whose rows are oldest first.

    Age is how many of the row came later, not a time: logs without times have an order, too, and a pause makes no taste older.
    """
    places = torch.arange(histories.values.numel(), device=histories.values.device)
    ages = histories.offsets[1:][owners(histories.lengths)] - 1 - places
    return (1 + ages).float().pow(-recency)
