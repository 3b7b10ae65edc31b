"""UltraGCN's constraint: pairs weigh what infinitely many layers of propagation would make of them (arXiv:2110.15114)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import softplus

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding, Interactions
from recsys_cl.objectives._pairing import refuse_places
from recsys_cl.objectives._scores import scores

Weight = Annotated[float, Ge(0)]


class Constraint:
    """``-(c + b(u,p)) log sigmoid(s(u,p)) - weight_negative * mean_n (c + b(u,n)) log sigmoid(-s(u,n))``, mean over queries.

    ``b(u,i) = sqrt(d_u + 1) / (d_u sqrt(d_i + 1))`` with the degrees ``d`` of the training graph (Mao et al. 2021, CIKM): where
    LightGCN's layers would no longer change anything, and so in place of them. An item nobody met has degree 0.

    Args:
        constant: c, the plain cross-entropy's share; w1 and w3 in the authors' code.
        degrees: factor of b; w2 and w4 there. 0 leaves the plain cross-entropy.
        weight_negative: of the negatives' mean.

    Relations: ``bce`` is constant 1, degrees 0, weight 1. The method ``neighbours`` adds UltraGCN's term over items.
    """

    views = 0
    reads_negatives = 1
    reads_ids = True

    def __init__(
        self, *, interactions: Interactions, constant: Weight = 1e-8, degrees: Weight = 1.0, weight_negative: Weight = 300.0
    ) -> None:
        self.constant, self.degrees, self.weight_negative = constant, degrees, weight_negative
        shape = interactions.shape
        pairs = torch.unique(interactions.users * shape.items + interactions.items)
        users = torch.bincount(pairs // shape.items, minlength=shape.users).double()
        items = torch.bincount(pairs % shape.items, minlength=shape.items).double()
        self._user_share = (users + 1).sqrt() / users.clamp_min(1)
        self._item_share = (items + 1).rsqrt()

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch; an accidental hit among shared negatives is left out."""
        if batch.items is None or batch.negative is None:
            raise Refused("sampler: 'constraint' weighs drawn negatives and the recipe draws none")
        refuse_places("constraint", main, batch)
        hit, missed, kept = scores(main, batch, "dot")
        asking = self._user_share[batch.users[batch.query]].to(hit.dtype).unsqueeze(-1)
        share = self._item_share[batch.items].to(hit.dtype)
        met = (self.constant + self.degrees * asking * share[batch.positive].unsqueeze(-1)) * softplus(-hit)
        unmet = (self.constant + self.degrees * asking * share[batch.negative]) * softplus(missed) * kept
        return (met.squeeze(-1) + self.weight_negative * unmet.sum(-1) / kept.sum(-1).clamp_min(1)).mean()
