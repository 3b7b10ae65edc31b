"""How often an item was met, given back to a cosine: contrast against a batch's other positives has taken it out.

Negatives that are the positives of others come as often as items are popular, so what a softmax of temperature tau over them
learns is s(u, i) = tau (log p(i | u) - log p(i)), up to a constant (Bengio & Senécal, 2008; logit adjustment, Menon et al.,
2021, arXiv:2007.07314, section 3). Adding tau log p(i) at recommendation ranks by p(i | u) again.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_cl.core.values import Encoding, Fold, Interactions
from recsys_cl.ops.recency import strengths


def offsets(interactions: Interactions, weight: float, recency: float = 0.0) -> Tensor:
    """``weight * log(1 + n)`` for each item, n interactions with it, [I]; 0 for one that nobody has met.

    With ``recency`` an interaction counts for ``(1 + age) ** -recency``, in proportion: all of them together count as if each
    counted for 1. What people met last says what is popular by now.
    """
    histories = interactions.by_user()
    counts = strengths(histories, recency).double()
    met = torch.bincount(histories.values, weights=counts / counts.mean(), minlength=interactions.shape.items)
    return weight * met.log1p().float()


def with_offsets(encoding: Encoding, offsets: Tensor) -> Encoding:
    """Vectors [., D + 1] whose dot product is the cosine of the given ones plus the item's offset."""
    users, items = normalize(encoding.users, dim=-1), normalize(encoding.items, dim=-1)
    return Encoding(
        torch.cat((users, users.new_ones(len(users), 1)), dim=1), torch.cat((items, offsets[:, None].to(items)), dim=1)
    )


def fold_with_offsets(fold: Fold | None) -> Fold | None:
    """The rule by which somebody new becomes a vector of the same kind."""
    return None if fold is None else replace(fold, offset=True)
