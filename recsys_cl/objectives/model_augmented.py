"""Contrast with views that a learned network makes of views (Qin et al., 2023, MCLRec, arXiv:2304.07763), trained jointly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge
from pydantic import PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.contrast import info_nce
from recsys_cl.ops.fresh import linear
from recsys_cl.ops.precision import full_precision
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature, lift


class ModelAugmented(nn.Module):
    """``nce(z1, z4) + nce(z2, z3) + nce(z3, z4) + regularisation * apart``, where ``z3 = f(z1)`` and ``z4 = g(z2)``.

    ``z1`` and ``z2`` are the users' rows of the first two views, ``f`` and ``g`` networks of three layers (section 3.2).
    ``apart`` (section 3.4) keeps the networks from copying: in each row it draws a positive above the hardest negative down to
    it, and negatives below the greater of the two up to it. The paper learns the networks in a second step of each
    iteration, from the contrast alone; here they learn with everything else.

    Args:
        dim: the encoder's.
        hidden: width of the networks' two hidden layers; ``dim`` where not given.
        temperature: divides the similarities.
        similarity: the dot product there.
        regularisation: weight of the terms that keep apart; 0.1 in the authors' code.

    Relations: ``info_nce`` contrasts the views themselves, and MCLRec adds it.
    """

    views = 2

    def __init__(
        self,
        *,
        rng: Generator,
        dim: PositiveInt,
        hidden: PositiveInt | None = None,
        temperature: Temperature = 1.0,
        similarity: Similarity = "dot",
        regularisation: Annotated[float, Ge(0)] = 0.1,
    ) -> None:
        super().__init__()
        self.temperature, self.similarity = checked_temperature(temperature), similarity
        self.regularisation = regularisation
        self.first, self.second = (_network(dim, hidden or dim, rng) for _ in range(2))

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch's users."""
        one, two = views[0].users, views[1].users
        three, four = self.first(one), self.second(two)
        total = torch.zeros((), device=one.device)
        for a, b in ((one, four), (two, three), (three, four)):
            total = total + info_nce(a, b, temperature=self.temperature, similarity=self.similarity, two_sided=True)
            if self.regularisation:
                total = total + self.regularisation * _apart(a, b, self.similarity, self.temperature)
        return total


@full_precision
def _apart(one: Tensor, other: Tensor, similarity: Similarity, temperature: float) -> Tensor:
    """How far positives lie above their row's lower bound, and negatives below its upper one, each a mean; 0 for one row."""
    if len(one) == 1:
        return 0 * (one.sum() + other.sum())
    asking, answering = lift(one, other, similarity)
    logits = (asking / temperature) @ answering.T
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    hit, missed = logits.diagonal(), logits[~own].view(len(logits), -1)
    hardest = missed.amax(-1)
    low, high = torch.minimum(hit, hardest), torch.maximum(hit, hardest)
    return (hit - low).clamp(min=0).mean() + (high[:, None] - missed).clamp(min=0).mean()


def _network(dim: int, hidden: int, rng: Generator) -> nn.Sequential:
    sizes = ((dim, hidden), (hidden, hidden), (hidden, dim))
    first, second, last = (linear(width, out, rng, drawn="normal") for width, out in sizes)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
