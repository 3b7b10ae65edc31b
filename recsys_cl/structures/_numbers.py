"""Which rows stand for whom, where every domain has rows for those alone whom it knows."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, ItemFeatures


def item_numbers(features: ItemFeatures | None, by: str) -> Tensor:
    """The number of every item in each of its domains, [D, I]: 0 to S - 1 through all domains; -1 where it is not of one.

    Raises:
        Refused: no feature of that name.
    """
    try:
        told = features.modalities[by]  # type: ignore[union-attr]
    except (AttributeError, KeyError):
        raise Refused(
            f"source.by: cross-domain recipes read the feature '{by}' of the items; declare it under [prepare.features]"
        ) from None
    return _numbered(told.categories(by).T)


def user_numbers(met: Interactions, numbers: Tensor) -> Tensor:
    """The number of every user in each domain that knows them by what they ``met``, [D, U]: 0 to P - 1; -1 elsewhere.

    Args:
        numbers: of the items, from `item_numbers`.
    """
    domain, row = (numbers[:, met.items] >= 0).nonzero(as_tuple=True)
    known = torch.zeros(len(numbers), met.shape.users, dtype=torch.bool, device=row.device)
    known[domain, met.users[row]] = True
    return _numbered(known)


def _numbered(inside: Tensor) -> Tensor:
    """What is ``inside`` [D, N], numbered row by row from 0; -1 elsewhere."""
    numbers = (inside.flatten().cumsum(0) - 1).view(inside.shape)
    return numbers.where(inside, -1)
