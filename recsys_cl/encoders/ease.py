"""EASE: the linear model in which items predict each other, but never themselves, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Fold, Interactions
from recsys_cl.encoders._history import met
from recsys_cl.encoders._item_to_item import ItemToItem, is_wide, refuse_beyond
from recsys_cl.ops.inverse import invert

_BLOCK = 1024
"""Columns that are computed at once."""


class EASE(nn.Module):
    """Scores ``X B`` with ``B = argmin |X - X B|^2 + l2 |B|^2`` under ``diag(B) = 0`` (Steck, 2019, arXiv:1905.03375).

    With ``P`` the inverse of ``X'X + l2 I``, ``B[i, j] = -P[i, j] / P[j, j]`` off the diagonal (equation 8). Solved in one
    matrix of I x I numbers, in place; cubic in the number of items (41,000 of them: 6.7 GB in fp32, minutes).

    Args:
        interactions: what is known.
        l2: the larger, the closer to co-occurrence; the paper's best lie between 200 and 1000.
        precision: of the solution; ``auto`` is ``fp64``, but where the catalogue is too large for dense vectors ``fp32``, which
            takes a third of the memory and half of the time.
        limit_mib: a solution that takes more is refused.
    """

    def __init__(
        self,
        interactions: Interactions,
        l2: float = 500.0,
        precision: Literal["auto", "fp32", "fp64"] = "auto",
        limit_mib: int = 8192,
    ) -> None:
        super().__init__()
        if not 0 < l2 < np.inf:
            raise Refused(f"l2: must be positive, got {l2}")
        wide, items = is_wide(interactions.shape), interactions.shape.items
        exact = precision == "fp64" or (precision == "auto" and not wide)
        refuse_beyond(limit_mib, interactions.shape, items**2 * (8 + 4 if exact and wide else 4))
        self.dim = items
        solution = torch.from_numpy(invert(_gram(met(interactions), l2, np.float64 if exact else np.float32)))
        says = solution.T.div_(-solution.diagonal().clone())  # symmetric: column j is divided by P[j, j], row by row
        self.model = ItemToItem(interactions.by_user(), says.fill_diagonal_(0).float(), wide=wide)

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, I] and items [M, I]."""
        encoding: Encoding = self.model(users, items)
        return [encoding for _ in sources]

    def fold_in(self, source: object) -> Fold | None:  # noqa: ARG002 - the protocol passes it
        """A new user is a row of ones like any other; None where vectors are too long to be kept."""
        return self.model.fold()


def _gram(matrix: Any, l2: float, dtype: type[np.floating]) -> NDArray[np.floating]:
    """``X'X + l2 I`` [I, I] in column order, made in its own memory."""
    items = matrix.shape[1]
    gram = np.zeros((items, items), dtype, order="F")
    columns = matrix.tocsc()
    for start in range(0, items, _BLOCK):
        block = slice(start, min(start + _BLOCK, items))
        both = (matrix.T @ columns[:, block]).tocsc()
        gram[:, block] = both.toarray(order="F")
    np.fill_diagonal(gram, gram.diagonal() + l2)
    return gram
