"""Which items the same people meet: item-to-item correlation from interactions alone (ItemCF with inverse user frequency)."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Interactions

_BLOCK = 4096
"""Items whose correlations are held at a time."""


def correlated(interactions: Interactions, count: int) -> Tensor:
    """The ``count`` items most correlated with each item, best first, [I, count]; ``shape.items`` after the last of them.

    ``sum over users of both of 1 / log(1 + n_u)``, over ``sqrt(n_i n_j)``; ``n``: distinct items of a user, users of an item
    (Breese et al., 1998, arXiv:1301.7363; CoSeRec, Liu et al., 2021, arXiv:2108.06479). Ties: the smaller id first.
    Users of one item join nothing; items met together by nobody are no neighbours.
    """
    import numpy as np
    from scipy import sparse

    shape = interactions.shape
    pairs = torch.unique(interactions.users * shape.items + interactions.items).cpu().numpy()
    users, items = pairs // shape.items, pairs % shape.items
    per_user, per_item = np.bincount(users, minlength=shape.users), np.bincount(items, minlength=shape.items)
    met = sparse.csc_array((1 / np.sqrt(per_item[items]), (users, items)), shape=(shape.users, shape.items))
    weighed = met.multiply(1 / np.log1p(np.maximum(per_user, 1))[:, None]).tocsr()
    found = np.full((shape.items, count), shape.items)
    for begin in range(0, shape.items, _BLOCK):
        block = (met[:, begin : begin + _BLOCK].T @ weighed).tocoo()
        one, other, value = block.row, block.col, block.data
        apart = one + begin != other
        one, other, value = one[apart], other[apart], value[apart]
        order = np.lexsort((other, -value, one))
        one, other = one[order], other[order]
        rank = np.arange(len(one)) - np.searchsorted(one, one)
        best = rank < count
        found[one[best] + begin, rank[best]] = other[best]
    return torch.from_numpy(found).to(interactions.items.device)
