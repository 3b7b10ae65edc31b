"""Vectors that are only known up to a spread of their own: a variational bottleneck.

Alemi et al., 2017, Deep Variational Information Bottleneck, arXiv:1612.00410; in CDRIB (Cao et al., 2022, arXiv:2203.01481)
it is what lets only that of one domain through which helps in the other.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from recsys_cl.ops.fresh import linear


class Spread(nn.Module):
    """A spread for each coordinate, an affine function of the vector; training sees draws, everybody else the middle."""

    def __init__(self, dim: int, rng: Generator) -> None:
        super().__init__()
        self.log_variance = linear(dim, dim, rng)

    def forward(self, middle: Tensor) -> tuple[Tensor, Tensor]:
        """Draws around ``middle`` [R, K] and the logarithms of their variances [R, K]; chance is torch's global generator."""
        told = self.log_variance(middle).clamp(-10, 2)
        if not self.training:
            return middle, told
        return middle + (told / 2).exp() * torch.randn_like(middle), told
