"""DirectAU: alignment of a user with the items met, uniformity of users and of items (Wang et al. 2022, arXiv:2206.12811)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import embedding

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.uniformity import alignment, uniformity


class DirectAU:
    """``E |z_u - z_p|^2 + gamma (uniformity(users) + uniformity(items)) / 2`` on the unit sphere (section 4.2); no negatives.

    Uniformity is over the batch's distinct users and distinct positives, where the authors' code takes every pair of the
    batch: there a user met twice repels itself.

    Relations: ``softmax`` with cosine aligns the same pairs and spreads users against items, not against each other.
    """

    views = 0
    below_zero = True

    def __init__(self, *, gamma: Annotated[float, Ge(0)] = 1.0) -> None:
        self.gamma = gamma

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Alignment of the batch's pairs plus weighted uniformity."""
        pull = alignment(embedding(batch.query, main.users), embedding(batch.positive, main.items))
        items = main.items[torch.unique(batch.positive)] if batch.items is None else main.items[: batch.positives]
        return pull + self.gamma * (uniformity(main.users) + uniformity(items)) / 2
