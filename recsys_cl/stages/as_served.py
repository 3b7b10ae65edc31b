"""Everybody's vector as a registered model would have it: by what they met, else as remembered, else what is popular."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from recsys_cl.core.values import Encoding, ItemFeatures, Ragged
from recsys_cl.ops.ragged import take

if TYPE_CHECKING:
    from recsys_cl.serving.bundle import Bundle


def as_served(bundle: Bundle, ids: Sequence[str], histories: Ragged, about: ItemFeatures | None = None) -> Encoding:
    """Vectors with one more coordinate: popularity for items, 1 for strangers who cannot be read, who get the popular list.

    Args:
        bundle: the model.
        ids: of those who ask, as text.
        histories: what each of them has met, oldest first, in the numbers of ``bundle``.
        about: what else is known of each, as it was prepared.
    """
    from recsys_cl.serving.asked import places

    rows = places(bundle.user_ids, ids)
    dim = bundle.users.shape[1]
    users = torch.zeros(len(ids), dim + 1)
    remembered = rows >= 0
    users[remembered, :dim] = bundle.users[rows[remembered]]
    read = torch.zeros_like(remembered) if bundle.reader is None else bundle.reader.knows(histories)
    if bundle.reader is not None and bool(read.any()):
        some = take(histories, read.nonzero().flatten())
        told = None if about is None else about.take(read.nonzero().flatten())
        users[read, :dim] = bundle.reader.vectors(some, told).float()
    users[~remembered & ~read, dim] = 1.0
    return Encoding(users, torch.cat((bundle.items, bundle.counts.float()[:, None]), dim=1))
