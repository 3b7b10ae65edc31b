"""SimGCL: the graph stays, every layer's output moves a little. Yu et al., 2022, arXiv:2112.08679.

As a second and third view it is SimGCL; as the main view it is XSimGCL (Yu et al., 2023, arXiv:2209.02544).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator

from recsys_cl.core.errors import Refused
from recsys_cl.ops.noise import LayerNoise
from recsys_cl.structures.graph import Graph


class LayerNoiseView:
    """Asks the encoder for noise of length ``eps`` >= 0 after each layer, drawn anew at every call."""

    def __init__(self, eps: Annotated[float, Field(ge=0, allow_inf_nan=False)]) -> None:
        if not 0 <= eps < float("inf"):
            raise Refused(f"eps must be finite and not negative, got {eps}")
        self._eps = eps

    def __call__(self, source: Graph, rng: Generator) -> Graph:
        """``source`` with a request for noise; the request's seed comes from ``rng``."""
        seed = torch.randint(2**62, (), generator=rng, device=rng.device)
        return replace(source, noise=LayerNoise(self._eps, int(seed)))
