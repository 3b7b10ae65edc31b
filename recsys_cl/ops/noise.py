"""SimGCL's layer noise: a step of fixed length into the orthant that a vector already lies in."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from recsys_cl.core.chance import generator


@dataclass(frozen=True, slots=True)
class LayerNoise:
    """A request to move every layer's output by ``eps``; the same seed asks for the same noise."""

    eps: float
    seed: int

    def stream(self, device: torch.device) -> Generator:
        """The noise's own generator, at its beginning."""
        return generator(self.seed, "layer noise", device=device)


def disturb(vectors: Tensor, eps: float, rng: Generator) -> Tensor:
    """``vectors`` [N, D] plus ``eps * sign(vectors) * u / |u|`` with u uniform in the unit cube, drawn row by row.

    Yu et al., 2022, SimGCL, arXiv:2112.08679, equations 4 and 5. A row of zeros stays zero. The uniform numbers have
    15 bits: only their direction is used, and four to one draw of the generator cost a third of four draws.
    """
    draws = torch.empty(-(-vectors.numel() // 4), dtype=torch.int64, device=vectors.device).random_(generator=rng)
    bits = draws.bitwise_and_(_FIFTEEN_BITS_EACH).view(torch.int16)[: vectors.numel()]
    noise = bits.view(vectors.shape).to(vectors.dtype)
    length = torch.linalg.vector_norm(noise, dim=1, keepdim=True).clamp_(min=1)
    return noise.mul_(eps / length).mul_(vectors.sign()).add_(vectors)


_FIFTEEN_BITS_EACH = 0x7FFF_7FFF_7FFF_7FFF
