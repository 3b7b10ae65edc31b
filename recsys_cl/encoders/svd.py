"""PureSVD: the best approximation of who met what by a matrix of low rank; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Fold, Interactions
from recsys_cl.encoders._history import met


class SVD(nn.Module):
    """Items are right singular vectors Q of the 0/1 matrix X, users are X Q: scores are ``X Q Q'``.

    Cremonesi, Koren & Turrin, 2010, RecSys, "Performance of recommender algorithms on top-N recommendation tasks": what was
    not met counts as 0. Computed from the interactions at hand and saved nowhere.

    Args:
        interactions: what is known.
        rng: draws the vector that the iteration starts from.
        dim: rank; beyond the rank of X vectors add nothing.
    """

    users: Tensor
    items: Tensor

    def __init__(self, interactions: Interactions, rng: Generator, dim: int = 64) -> None:
        super().__init__()
        if dim < 1:
            raise Refused(f"dim: must be at least 1, got {dim}")
        self.dim = dim
        matrix = met(interactions)
        start = torch.randn(min(matrix.shape), generator=rng, dtype=torch.float64).numpy()
        items = np.zeros((matrix.shape[1], dim))
        if matrix.nnz:
            found = _right_singular(matrix, dim, start)
            items[:, : found.shape[1]] = found
        device = interactions.users.device
        self.register_buffer("users", torch.from_numpy(matrix @ items).float().to(device), persistent=False)
        self.register_buffer("items", torch.from_numpy(items).float().to(device), persistent=False)

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, D] and items [M, D]."""
        rows = self.items if items is None else self.items[items]
        return [Encoding(self.users[users], rows) for _ in sources]

    def fold_in(self, source: object) -> Fold:  # noqa: ARG002 - the protocol passes it
        """A new row x of X is x Q."""
        return Fold(self.items, exponent=0)


def _right_singular(matrix: Any, dim: int, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first ``dim`` right singular vectors as columns [I, at most dim]."""
    if dim < min(matrix.shape):
        from scipy.sparse.linalg import svds

        found: NDArray[np.float64] = svds(matrix, k=dim, v0=start)[2].T
        return found
    return np.linalg.svd(matrix.toarray(), full_matrices=False).Vh.T
