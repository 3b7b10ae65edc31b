"""SimGCL's layer noise: a step of fixed length into the orthant that a vector already lies in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Generator, Tensor

from recsys_cl.core.chance import generator


@dataclass(frozen=True, slots=True)
class LayerNoise:
    """A request to move every layer's output by ``eps``; the same seed asks for the same noise."""

    eps: float
    seed: int

    def stream(self) -> Generator:
        """The noise's own generator, at its beginning. On the host, so that a device need not be asked for its numbers."""
        return generator(self.seed, "layer noise")


def disturb(vectors: Tensor, eps: float, rng: Generator) -> Tensor:
    """``vectors`` [N, D] plus ``eps * sign(vectors) * u / |u|``, where u is uniform in the unit cube and new in every row.

    Yu et al., 2022, SimGCL, arXiv:2112.08679, equations 4 and 5. A coordinate that is zero stays zero. The directions
    u / |u| are 65,536 drawn once; every 1,024 rows read them from another random place. Drawing all of them anew would
    take longer than the propagation.
    """
    result = torch.empty_like(vectors)
    directions = _directions(vectors.shape[1], vectors.dtype, vectors.device)
    blocks = torch.split(vectors, _BLOCK)
    starts = torch.randint(_POOL - _BLOCK + 1, (len(blocks),), generator=rng).tolist()
    for block, out, start in zip(blocks, torch.split(result, _BLOCK), starts, strict=True):
        torch.addcmul(block, block.sign(), directions[start : start + len(block)], value=eps, out=out)
    return result


@lru_cache(maxsize=4)
def _directions(dim: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    cube = torch.rand(_POOL, dim, dtype=torch.float64, generator=generator(0, "directions of layer noise"))
    return torch.nn.functional.normalize(cube).to(device, dtype)


_POOL = 65_536
_BLOCK = 1_024  # four blocks of 64 single-precision dimensions stay in the cache of a core
