"""The similarities by their definitions, which `ops.similarity` writes as one dot product of lifted vectors."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from recsys_cl.ops.similarity import Similarity


def similarity_of(a: Tensor, b: Tensor, similarity: Similarity) -> Tensor:
    """Similarity of aligned vectors: ``a`` [..., D] and ``b`` [..., D], broadcast, to [...]."""
    if similarity == "euclidean":
        return -(a - b).square().sum(-1)
    if similarity == "cosine":
        a, b = normalize(a, dim=-1), normalize(b, dim=-1)
    return (a * b).sum(-1)
