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
        self._often = max(round(1.5 / max(share, 1 / _MOST)), 1)  # so that a round mostly finds one for each place

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
        width, flat = drawn.shape[1], drawn.flatten()
        for _ in range(_ROUNDS):
            wrong = (~self._inside[flat]).nonzero().flatten()
            if not len(wrong):
                return flat.view_as(drawn)
            asking = torch.repeat_interleave(users[wrong // width], -(-self._often // width), output_size=None)
            fresh = self._sampler(asking, rng).view(len(wrong), -1)
            right = self._inside[fresh]
            flat[wrong] = fresh.gather(1, right.int().argmax(1, keepdim=True)).squeeze(1)
        raise Refused("sampler: somebody has met (nearly) every item of a domain, so it holds no negatives for them")


_ROUNDS = 100  # what is missed with probability 1/5 at a time has happened by then
_MOST = 64  # draws for one place in a round
