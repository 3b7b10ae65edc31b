"""Which items are met by the same users, weighed as UltraGCN does; the nearest of each, block by block."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recsys_cl.core.values import Interactions

_CELLS = 2**24  # of dense item-to-item rows at hand at once: 64 MiB


def nearest_items(interactions: Interactions, count: int) -> tuple[Tensor, Tensor]:
    """For each item the ``count`` that weigh most with it, [I, count], and their weights, best first; 0 where there are fewer.

    With G = R^T R (its diagonal the items' own degrees) and g its row sums, item j weighs
    ``G_ij sqrt(g_i + 1) / (g_i sqrt(g_j + 1))`` for item i. Mao et al. 2021, UltraGCN, arXiv:2110.15114, in the form
    of its authors' code: the diagonal stays, so an item is mostly its own nearest.
    """
    from scipy.sparse import csr_matrix

    users, items = interactions.users.cpu().numpy(), interactions.items.cpu().numpy()
    shape = interactions.shape
    met = csr_matrix((np.ones(len(users), dtype=np.float32), (users, items)), shape=(shape.users, shape.items))
    met.data[:] = 1  # a repeated pair is one
    by_item = met.T.tocsr()
    mass = np.asarray(by_item @ np.asarray(met.sum(1)))[:, 0].astype(np.float64)  # g, without forming G
    asking, answering = np.sqrt(mass + 1) / np.maximum(mass, 1), 1 / np.sqrt(mass + 1)
    count, step = min(count, shape.items), max(1, _CELLS // shape.items)
    found = [
        torch.from_numpy((by_item[start : start + step] @ met).toarray() * answering).topk(count)
        for start in range(0, shape.items, step)
    ]
    weights = torch.cat([top.values for top in found]) * torch.from_numpy(asking)[:, None]
    device = interactions.items.device
    return torch.cat([top.indices for top in found]).to(device), weights.float().to(device)
