"""The inverse of a large positive definite matrix in its own memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused

_BLOCK = 1024


def invert(matrix: NDArray[np.floating]) -> NDArray[np.floating]:
    """Overwrite ``matrix`` [N, N], symmetric positive definite, in column order, by its inverse; no other of its size is made.

    LAPACK's Cholesky factor and the inverse from it (``potrf``, ``potri``) leave the lower triangle, which is then mirrored.

    Raises:
        Refused: the matrix is not positive definite in its precision.
    """
    from scipy.linalg.lapack import get_lapack_funcs

    factorise, invert_factor = get_lapack_funcs(("potrf", "potri"), (matrix,))
    factor, failed = factorise(matrix, lower=True, overwrite_a=True)
    if failed:
        raise Refused(f"a matrix of {len(matrix)} items is not positive definite in {matrix.dtype}; raise l2 or the precision")
    inverse, _ = invert_factor(factor, lower=True, overwrite_c=True)
    for start in range(0, len(inverse), _BLOCK):
        block = slice(start, start + _BLOCK)
        inverse[:start, block] = inverse[block, :start].T
        corner = inverse[block, block]
        corner[...] = np.tril(corner) + np.tril(corner, -1).T
    return inverse  # type: ignore[no-any-return]
