"""Cosine, dot product and negative squared distance, each written as one dot product of lifted vectors."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from annotated_types import Gt
from torch import Tensor
from torch.nn.functional import normalize

from recsys_cl.core.errors import Refused
from recsys_cl.ops.precision import full_precision

Similarity = Literal["cosine", "dot", "euclidean"]
"""``cosine``: a.b / |a||b|; ``dot``: a.b; ``euclidean``: -|a - b|^2 (on unit vectors 2 cos - 2: twice the sharpness)."""

Temperature = Annotated[float, Gt(0)]
"""What similarities are divided by before the softmax; above zero."""


def lift(queries: Tensor, candidates: Tensor, similarity: Similarity) -> tuple[Tensor, Tensor]:
    """Vectors whose dot product is the similarity, so that every loss and every ranking is a matrix product.

    Args:
        queries: [..., D].
        candidates: [..., D].
        similarity: which one.

    Returns:
        Both lifted, [..., D], or [..., D + 2] for euclidean: (2q, |q|^2, 1) . (c, -1, -|c|^2) = -|q - c|^2.
    """
    if similarity == "cosine":
        return normalize(queries, dim=-1), normalize(candidates, dim=-1)
    if similarity == "dot":
        return queries, candidates
    one, other = torch.ones_like(queries[..., :1]), -torch.ones_like(candidates[..., :1])
    return (
        torch.cat((2 * queries, queries.square().sum(-1, keepdim=True), one), -1),
        torch.cat((candidates, other, -candidates.square().sum(-1, keepdim=True)), -1),
    )


@full_precision
def against(queries: Tensor, rows: Tensor) -> Tensor:
    """Dot products of each of ``queries`` [B, D] with its own rows [B, K, D], or with the same for all [K, D]: [B, K]."""
    return queries @ rows.T if rows.dim() == 2 else (rows @ queries.unsqueeze(-1)).squeeze(-1)


def checked_temperature(value: float, name: str = "temperature") -> float:
    """``value`` where it is finite and above zero; anything else is Refused by the argument's name."""
    if not (math.isfinite(value) and value > 0):
        raise Refused(f"{name}: must be finite and above 0, got {value}")
    return value
