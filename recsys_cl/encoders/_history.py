"""Who met what as a sparse matrix of ones: what linear baselines are computed from."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from recsys_cl.core.values import Interactions


def met(interactions: Interactions) -> Any:
    """The matrix [U, I] with 1 where a user met an item, however often: ``scipy.sparse.csr_array`` of fp64."""
    from scipy.sparse import csr_array

    shape = interactions.shape
    pairs = torch.unique(interactions.users * shape.items + interactions.items).cpu().numpy()
    ones, where = np.ones(len(pairs)), (pairs // max(shape.items, 1), pairs % max(shape.items, 1))
    return csr_array((ones, where), shape=(shape.users, shape.items))
