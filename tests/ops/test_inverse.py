"""The inverse in place equals the inverse, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ops import inverse as module
from recsys_cl.ops.inverse import invert


@pytest.mark.parametrize("block", [1, 3, 7, 64])
@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_equals_the_inverse_and_uses_the_memory_given(block, dtype, error, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    rows = np.random.default_rng(0).standard_normal((30, 17))
    gram = np.asfortranarray(rows.T @ rows + np.eye(17), dtype=dtype)
    expected = np.linalg.inv(gram.astype(np.float64))
    found = invert(gram)
    assert found == pytest.approx(expected, abs=error)
    assert np.array_equal(found, found.T)
    assert np.shares_memory(found, gram)


def test_what_has_no_factor_is_refused():
    with pytest.raises(Refused, match="2 items is not positive definite in float64; raise l2"):
        invert(np.asfortranarray([[1.0, 2.0], [2.0, 1.0]]))
