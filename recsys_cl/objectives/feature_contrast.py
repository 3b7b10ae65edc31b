"""RecDCL's feature-wise half: dimensions agree between user and item, and no two of a side are alike (arXiv:2401.15635)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Ge, Gt, MultipleOf
from pydantic import PositiveInt
from torch import Generator, Tensor, nn
from torch.nn.functional import embedding, normalize

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.decorrelation import barlow_twins, polynomial_uniformity
from recsys_cl.ops.fresh import linear
from recsys_cl.ops.precision import full_precision


class FeatureContrast(nn.Module):
    """``barlow(users, items) / D + alpha (poly(users) + poly(items)) / 2`` over a batch's pairs (Zhang et al. 2024, eq. 5, 6).

    Both sides are normalised and go through one projector of two hidden layers with batch norm; ``poly`` is the logarithm of
    the mean of ``(C + offset) ^ degree`` over all pairs of dimensions, C their correlation. The projector is learned with the
    encoder and not used for recommending.

    Args:
        dim: the encoder's.
        redundancy: gamma, of the correlation of different dimensions.
        alpha: of the polynomial term.
        degree: e, even: of an odd power the least is where dimensions are opposites.
        offset: c.

    Relations: ``barlow`` sets two encodings of one thing opposite each other, this a user and the item met.
    """

    views = 0
    below_zero = True

    def __init__(
        self,
        *,
        rng: Generator,
        dim: PositiveInt,
        redundancy: Annotated[float, Ge(0)] = 0.01,
        alpha: Annotated[float, Ge(0)] = 5.0,
        degree: Annotated[int, Gt(0), MultipleOf(2)] = 4,
        offset: Annotated[float, Gt(0)] = 1e-7,
    ) -> None:
        super().__init__()
        self.dim, self.redundancy, self.alpha, self.degree, self.offset = dim, redundancy, alpha, degree, offset
        first, second, last = (linear(dim, dim, rng, drawn="normal", bias=False) for _ in range(3))
        self.projector = nn.Sequential(first, _norm(dim), nn.ReLU(), second, _norm(dim), nn.ReLU(), last)

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Loss of the batch's pairs; a pair is there as often as it was asked."""
        return self._loss(embedding(batch.query, main.users), embedding(batch.positive, main.items))

    def _loss(self, users: Tensor, items: Tensor) -> Tensor:
        if len(users) < 2:  # of one pair no dimension varies
            return 0 * (users.sum() + items.sum())
        users, items = _projected(users, self.projector), _projected(items, self.projector)
        spread = [polynomial_uniformity(rows, self.degree, self.offset) for rows in (users, items)]
        return barlow_twins(users, items, redundancy=self.redundancy) / self.dim + self.alpha * (spread[0] + spread[1]) / 2


@full_precision
def _projected(rows: Tensor, projector: nn.Module) -> Tensor:
    projected: Tensor = projector(normalize(rows, dim=-1))
    return projected


def _norm(dim: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(dim, track_running_stats=False)
