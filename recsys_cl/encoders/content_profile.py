"""A taste is the mean of what was met, as content: the recommender that learns nothing and knows new items at once.

Pazzani and Billsus, 2007, Content-Based Recommendation Systems, doi:10.1007/978-3-540-72079-9_10, section 10.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Fold, Interactions, ItemFeatures


class ContentProfile(nn.Module):
    """Items are their modalities side by side, each of length 1 where it is there; users the mean of their items.

    With TF-IDF texts the score is the cosine of the profile with the text, times the profile's length, which is the same for
    all items. Nothing is learned.
    """

    users: Tensor
    items: Tensor

    def __init__(self, interactions: Interactions, features: ItemFeatures | None) -> None:
        super().__init__()
        if features is None:
            raise Refused("encoder: 'content_profile' reads features of the items; declare them under [prepare.features]")
        features.need_vectors("encoder: 'content_profile'")
        items = self.by_content(features)
        shape = interactions.shape
        pairs = torch.unique(interactions.users * shape.items + interactions.items)
        owner, met = pairs // shape.items, pairs % shape.items
        counts = torch.bincount(owner, minlength=shape.users).clamp(min=1)
        users = items.new_zeros(shape.users, items.shape[1]).index_add_(0, owner, items[met]) / counts[:, None]
        self.dim = items.shape[1]
        self.register_buffer("users", users, persistent=False)
        self.register_buffer("items", items, persistent=False)

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, D] and items [M, D]."""
        return [Encoding(self.users[users], self.items if items is None else self.items[items]) for _ in sources]

    def by_content(self, features: ItemFeatures) -> Tensor:
        """Items [N, D] as what they are."""
        return torch.cat([normalize(modality.values, dim=-1) * modality.present[:, None] for _, modality in features], -1)

    def fold_in(self, source: object) -> Fold:  # noqa: ARG002
        """A new user is the mean of what they met."""
        return Fold(self.items, 1.0)
