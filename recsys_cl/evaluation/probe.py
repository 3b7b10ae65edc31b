"""Do item vectors know the categories that nobody told them? A linear probe and the nearest neighbours, each beside chance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from recsys_cl.core.values import Ragged
from recsys_cl.ops.ragged import owners

SAMPLE = 5_000
"""Items that stand for the catalogue at most."""
CELLS = 2**23
"""Numbers in their vectors at most."""
FOLDS = 5
NEIGHBOURS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Item vectors with one category each; every category has at least `FOLDS` items."""

    vectors: Tensor  # [N, D]
    labels: Tensor  # [N] int64


def labelled(items: Tensor, categories: Ragged, rng: Generator) -> Labelled | None:
    """Some ``items`` [I, D] under their rarest category; None where fewer than two categories have `FOLDS` items."""
    counts = torch.bincount(categories.values, minlength=1)
    rarity = counts[categories.values] * len(counts) + categories.values  # of equally rare ones the first
    least = torch.full((len(categories),), torch.iinfo(torch.int64).max)
    least.scatter_reduce_(0, owners(categories.lengths), rarity, "amin")
    known = (categories.lengths > 0).nonzero().squeeze(1)
    most = min(SAMPLE, max(CELLS // items.shape[1], 1))
    chosen = known[torch.randperm(len(known), generator=rng)[:most]].sort().values
    labels = least[chosen] % len(counts)
    enough = torch.bincount(labels, minlength=len(counts)) >= FOLDS
    if int(enough.sum()) < 2:
        return None
    stay = enough[labels]
    return Labelled(items[chosen[stay]], labels[stay])


def probe_accuracy(told: Labelled, rng: Generator) -> float:
    """Share of items whose category a linear classifier names that was fitted on the other folds."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seed = int(torch.randint(2**31 - 1, (), generator=rng))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    model = make_pipeline(StandardScaler(), RidgeClassifier())
    return float(cross_val_score(model, told.vectors.double().numpy(), told.labels.numpy(), cv=folds).mean())


def majority_rate(told: Labelled) -> float:
    """What naming the most frequent category gets right."""
    return float(torch.bincount(told.labels).amax()) / len(told.labels)


def neighbour_agreement(told: Labelled) -> float:
    """Mean share of an item's nearest items, by cosine, that are of its category."""
    units = normalize(told.vectors.float(), dim=-1)
    nearest = min(NEIGHBOURS, len(units) - 1)
    agreed = 0
    for rows in torch.split(torch.arange(len(units)), 512):
        cosines = units[rows] @ units.T
        cosines[torch.arange(len(rows)), rows] = -torch.inf
        agreed += int((told.labels[cosines.topk(nearest).indices] == told.labels[rows, None]).sum())
    return agreed / (len(units) * nearest)


def chance_agreement(told: Labelled) -> float:
    """How often two different items drawn blindly are of one category."""
    counts = torch.bincount(told.labels)
    return float((counts * (counts - 1)).sum()) / (len(told.labels) * (len(told.labels) - 1))
