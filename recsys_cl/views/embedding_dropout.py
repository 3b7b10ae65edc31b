"""Feature dropout: coordinates of the table are left out before it is propagated. Yao et al., 2021, arXiv:2007.12865."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator

from recsys_cl.ops.dropout import InputDropout
from recsys_cl.structures.graph import Graph
from recsys_cl.views._drop import Rate, checked


class EmbeddingDropout:
    """Asks the encoder to zero each coordinate with probability ``rate`` in [0, 1) and to scale the others; new at every call.

    Relations: ``layer_noise`` moves the layers' outputs and keeps their direction near; this hides part of the input.
    """

    def __init__(self, rate: Rate) -> None:
        self._rate = checked(rate)

    def __call__(self, source: Graph, rng: Generator) -> Graph:
        """``source`` with a request for dropout; the request's seed comes from ``rng``."""
        seed = torch.randint(2**62, (), generator=rng, device=rng.device)
        return replace(source, dropout=InputDropout(self._rate, int(seed)))
