"""How much what was met counts by now: the older, the less."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ragged
from recsys_cl.ops.ragged import owners


def strengths(histories: Ragged, recency: float) -> Tensor:
    """``(1 + age) ** -recency`` of each thing in ``histories`` [N], whose rows are oldest first.

    Age is how many of the row came later, not a time: logs without times have an order, too, and who was away for a year has
    forgotten nothing of what is recommended from.
    """
    places = torch.arange(histories.values.numel(), device=histories.values.device)
    ages = histories.offsets[1:][owners(histories.lengths)] - 1 - places
    return (1 + ages).float().pow(-recency)
