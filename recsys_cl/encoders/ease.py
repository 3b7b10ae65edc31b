"""EASE: the linear model in which items predict each other, but never themselves, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Fold, Interactions
from recsys_cl.encoders._history import met
from recsys_cl.encoders._item_to_item import ItemToItem, refuse_beyond
from recsys_cl.ops.inverse import invert


class EASE(nn.Module):
    """Scores ``X B`` with ``B = argmin |X - X B|^2 + l2 |B|^2`` under ``diag(B) = 0`` (Steck, 2019, arXiv:1905.03375).

    With ``P`` the inverse of ``X'X + l2 I``, ``B[i, j] = -P[i, j] / P[j, j]`` off the diagonal (equation 8). Solved in one
    matrix of I x I numbers, in place; cubic in the number of items.

    Args:
        interactions: what is known.
        l2: the larger, the closer to co-occurrence; the paper's best lie between 200 and 1000.
        precision: of the solution; ``fp32`` halves its memory where catalogues are large.
        limit_mib: vectors that take more are refused.
    """

    def __init__(
        self,
        interactions: Interactions,
        l2: float = 500.0,
        precision: Literal["fp32", "fp64"] = "fp64",
        limit_mib: int = 2048,
    ) -> None:
        super().__init__()
        if not 0 < l2 < np.inf:
            raise Refused(f"l2: must be positive, got {l2}")
        refuse_beyond(limit_mib, interactions.shape)
        self.dim = interactions.shape.items
        matrix = met(interactions)
        gram = (matrix.T @ matrix).astype({"fp32": np.float32, "fp64": np.float64}[precision]).toarray(order="F")
        np.fill_diagonal(gram, gram.diagonal() + l2)
        inverse = torch.from_numpy(invert(gram).T)  # symmetric: the same numbers, row by row
        weights = inverse.div_(-inverse.diagonal().clone()[:, None])  # B', as P is symmetric: row j is divided by P[j, j]
        self.model = ItemToItem(interactions.by_user(), weights.fill_diagonal_(0))

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, I] and items [M, I]."""
        encoding: Encoding = self.model(users, items)
        return [encoding for _ in sources]

    def fold_in(self, source: object) -> Fold:  # noqa: ARG002 - the protocol passes it
        """A new user is a row of ones like any other."""
        return self.model.fold()
