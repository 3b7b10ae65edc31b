"""How many directions a set of vectors really uses."""

from __future__ import annotations

import torch
from torch import Tensor


def effective_rank(rows: Tensor) -> float:
    """``exp`` of the entropy of the normalised singular values of ``rows`` [N, D]: between 1 and ``min(N, D)``; 0 of zeros.

    Roy & Vetterli, 2007, EUSIPCO, "The effective rank". Computed in fp64 from the Gram matrix of the shorter side.
    """
    rows = rows.detach().double()
    gram = rows.T @ rows if rows.shape[0] >= rows.shape[1] else rows @ rows.T
    # What rounding leaves of a zero eigenvalue is about eps times the largest; its square root would count.
    values = torch.linalg.eigvalsh(gram)
    values = values.where(values > values.amax().clamp(min=0) * 1e-12, 0.0).sqrt() if len(values) else values
    total = values.sum()
    if not total > 0:
        return 0.0
    shares = values / total
    return float(torch.special.entr(shares).sum().exp())
