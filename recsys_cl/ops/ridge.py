"""Ridge regressions of many users on what they met, all other items counting as zeros: batched, by Cholesky."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Ragged
from recsys_cl.ops.ragged import owners, padded, spans

_CELLS = 2**24
"""Numbers of the padded histories and of the normal matrices that are worked on at once."""


def ridge(histories: Ragged, items: Tensor, unobserved: float, penalties: Tensor) -> Tensor:
    """For each row the ``w`` of least ``sum over its items (w.h - 1)^2 + unobserved * sum over all (w.h)^2 + penalty |w|^2``.

    Hu, Koren & Volinsky, 2008, ICDM, in the form of Rendle et al., 2022, arXiv:2110.14037. Rows of like length are solved
    together: the loop is over blocks, not rows.

    Args:
        histories: of each of R rows the items that are 1, none twice.
        items: vectors h [I, D].
        unobserved: weight of all items, 0 or more.
        penalties: positive weights of the ridge, [R].

    Returns:
        Vectors [R, D] in the precision of ``items``; 0 for a row without items.

    Raises:
        Refused: the penalties are too small to be seen beside the vectors.
    """
    dim = items.shape[1]
    common = unobserved * (items.T @ items)
    lengths = histories.lengths
    order = torch.argsort(lengths, stable=True)
    answer = torch.zeros(len(histories), dim, dtype=items.dtype, device=items.device)
    begin = int((lengths == 0).sum())
    while begin < len(order):
        rows = order[begin : begin + _height(lengths[order], begin, dim)]
        answer[rows] = _solve(histories, rows, items, common, penalties[rows])
        begin += len(rows)
    return answer


def _height(rising: Tensor, begin: int, dim: int) -> int:
    """How many rows from ``begin`` on fit in a block whose width is that of its longest."""
    count = torch.arange(1, len(rising) - begin + 1, device=rising.device)
    return max(int((count * dim * (rising[begin:] + dim) <= _CELLS).sum()), 1)


def _solve(histories: Ragged, rows: Tensor, items: Tensor, common: Tensor, penalties: Tensor) -> Tensor:
    lengths = histories.lengths[rows]
    longest = int(lengths.max())
    places = spans(torch.zeros_like(lengths), lengths)
    met = items[histories.values[spans(histories.offsets[rows], lengths)]]
    history = padded(met, owners(lengths) * longest + places, len(rows), longest)  # [b, longest, D]
    normal = torch.baddbmm(common.expand(len(rows), -1, -1), history.mT, history)
    normal.diagonal(dim1=1, dim2=2).add_(penalties[:, None].to(normal.dtype))
    factor, failed = torch.linalg.cholesky_ex(normal)
    if bool(failed.any()):
        raise Refused(
            "l2: too small for the vectors it holds back: their normal matrices are singular in fp32; take a larger one"
        )
    return torch.cholesky_solve(history.sum(1)[:, :, None], factor).squeeze(2)
