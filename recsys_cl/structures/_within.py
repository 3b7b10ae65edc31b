"""Negatives of a part of the catalogue, from a sampler that knows the whole of it."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import NegativeSampler


class Within:
    """Draws again what falls outside, so that inside the sampler's own proportions hold exactly.

    Args:
        inside: items that may be drawn, [I] bool.
        sampler: with negatives of each query's own.
    """

    def __init__(self, inside: Tensor, sampler: NegativeSampler) -> None:
        self._inside, self._sampler = inside, sampler
        everything = torch.arange(len(inside), device=inside.device)
        share = float(sampler.log_q(everything).exp()[inside].sum())
        self._often = max(round(0.5 / max(share, 1 / _MOST)), 1)  # so that few rounds find one for each place

    def __call__(self, users: Tensor, rng: Generator) -> Tensor:
        """Items [B, K] of the part, that ``users`` [B] have not met.

        Raises:
            Refused: the sampler shares its negatives, or a user seems to have met the whole part.
        """
        drawn = self._sampler(users, rng)
        if drawn.dim() != 2:
            raise Refused("sampler.shared: here negatives are drawn for each query, from its positive's own domain")
        if not len(users):
            return drawn
        for _ in range(_ROUNDS):
            rows = (~self._inside[drawn]).any(1).nonzero().flatten()
            if not len(rows):
                return drawn
            fresh = self._sampler(users[rows].repeat_interleave(self._often), rng).view(len(rows), -1)
            drawn[rows] = self._filled(drawn[rows], fresh)
        raise Refused("sampler: somebody has met (nearly) every item of a domain, so it holds no negatives for them")

    def _filled(self, drawn: Tensor, fresh: Tensor) -> Tensor:
        """``drawn`` [R, K] with what is outside replaced, from the left, by what is inside among ``fresh`` [R, F]."""
        wrong, right = ~self._inside[drawn], self._inside[fresh]
        usable = fresh.gather(1, right.long().argsort(dim=1, descending=True, stable=True))  # those inside first
        turn = wrong.cumsum(1) - 1
        found = wrong & (turn < right.sum(1, keepdim=True))
        return torch.where(found, usable.gather(1, turn.clamp(0, usable.shape[1] - 1)), drawn)


_ROUNDS = 100  # far more than chance needs
_MOST = 64  # draws for one place in a round
