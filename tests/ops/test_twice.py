"""What can be differentiated twice says the same as what cannot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from recsys_cl.ops.contrast import info_nce
from recsys_cl.ops.softmax import softmax
from recsys_cl.ops.twice import must_be_twice_differentiable, twice_differentiable
from tests.graphs import generator

Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {
    "softmax": partial(softmax, target=torch.tensor([1, 4, 0]), temperature=0.5, similarity="cosine"),
    "euclidean": partial(softmax, target=torch.tensor([1, 4, 0]), temperature=0.5, similarity="euclidean"),
    "info_nce": lambda one, other: info_nce(one, other[:3], temperature=0.3),
    "two_sided": lambda one, other: info_nce(one, other[:3], temperature=0.3, two_sided=True),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_value_and_the_slope_are_the_same_and_the_curvature_is_there(loss: Loss) -> None:
    given = [torch.randn(rows, 4, dtype=torch.float64, generator=generator(rows)).requires_grad_() for rows in (3, 6)]
    plain = loss(*given)
    slopes = torch.autograd.grad(plain, given)
    with twice_differentiable():
        again = loss(*given)
        torch.testing.assert_close(again, plain)
        torch.testing.assert_close(torch.autograd.grad(again, given), slopes)
        assert torch.autograd.gradgradcheck(loss, given)


def test_only_within() -> None:
    with twice_differentiable():
        assert must_be_twice_differentiable()
    assert not must_be_twice_differentiable()
