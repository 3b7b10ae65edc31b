"""Layer norm that can be differentiated again, task by task."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from recsys_cl.ops.twice import must_be_twice_differentiable

_EPS = 1e-5


class LayerNorm(nn.Module):
    """Ba et al., 2016, arXiv:1607.06450: stands where ``torch.nn.LayerNorm`` of one dimension would, with the same weights.

    Within `ops.twice` it is made of plain operations: torch's own gives wrong derivatives of the slope of a weight of each
    task's own (``vmap`` of ``grad``, torch 2.13; tests/ops/test_norm.py).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))

    def forward(self, states: Tensor) -> Tensor:
        """States [..., D] of mean 0 and variance 1, then scaled and shifted."""
        if not must_be_twice_differentiable():
            return layer_norm(states, self.weight.shape, self.weight, self.bias, _EPS)
        centred = states - states.mean(-1, keepdim=True)
        scale = torch.rsqrt(centred.square().mean(-1, keepdim=True) + _EPS)
        return centred * scale * self.weight + self.bias
