"""What vectors are like, whatever they score: aligned, spread, of full rank, and telling of what the items are."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize, one_hot

from recsys_cl.core.values import Interactions, Ragged
from recsys_cl.evaluation.probe import Labelled, chance_agreement, labelled, majority_rate, neighbour_agreement, probe_accuracy
from recsys_cl.ops.spectrum import effective_rank
from recsys_cl.ops.uniformity import alignment, uniformity

SAMPLE = 2_000
"""Rows that stand for a side where pairs of rows are looked at."""
CELLS = 2**24
"""Numbers in the vectors of the positives that stand for all."""
BANDS = ("head", "mid", "tail")
"""From the most popular items on, each with a third of all interactions."""


@torch.no_grad()
def representation(
    users: Tensor, items: Tensor, positives: Interactions, popularity: Tensor, categories: Ragged | None, rng: Generator
) -> dict[str, float]:
    """Measure the vectors of all users [U, D] and items [I, D].

    Args:
        users: vectors by user id.
        items: vectors by item id.
        positives: who met what; alignment is between the two.
        popularity: interactions [I] of each item.
        categories: of each item, where they are known.
        rng: draws samples and folds, on the CPU.

    Returns:
        ``dimension``; ``alignment`` of positives, ``uniformity_users`` and ``uniformity_items`` (Wang & Isola, 2020,
        arXiv:2005.10242); ``effective_rank_users`` and ``effective_rank_items`` (Roy & Vetterli, 2007); for each of `BANDS`
        with at least two items ``anisotropy_BAND``, the mean cosine of two of its items (Ethayarajh, 2019, arXiv:1909.00512;
        0: all directions alike, 1: one direction). Where at least two categories have enough items, of the rarest category of
        each item: ``probe_accuracy``, a linear classifier's in five-fold cross-validation, beside ``majority_rate``, and
        ``neighbour_agreement``, how often the ten nearest items have it too, beside ``chance_agreement``.
    """
    users, items, popularity = users.detach().float().cpu(), items.detach().float().cpu(), popularity.cpu()
    some_users, some_items = _sample(users, rng), _sample(items, rng)
    chosen = _draw(len(positives), max(CELLS // items.shape[1], 1), rng)
    asked, met = (users[positives.users.cpu()[chosen]], items[positives.items.cpu()[chosen]])
    found = {
        "dimension": float(items.shape[1]),
        "alignment": float(alignment(asked, met)) if len(chosen) else 0.0,
        "uniformity_users": float(uniformity(some_users)),
        "uniformity_items": float(uniformity(some_items)),
        "effective_rank_users": effective_rank(some_users),
        "effective_rank_items": effective_rank(some_items),
        **_anisotropy(items, popularity),
    }
    told = None if categories is None else labelled(items, Ragged(categories.values.cpu(), categories.offsets.cpu()), rng)
    return found if told is None else {**found, **_knows(told, rng)}


def _knows(told: Labelled, rng: Generator) -> dict[str, float]:
    return {
        "probe_accuracy": probe_accuracy(told, rng),
        "majority_rate": majority_rate(told),
        "neighbour_agreement": neighbour_agreement(told),
        "chance_agreement": chance_agreement(told),
    }


def _anisotropy(items: Tensor, popularity: Tensor) -> dict[str, float]:
    """Mean cosine of all pairs in each band: the squared length of the sum of unit vectors holds every pair."""
    order = popularity.argsort(descending=True, stable=True)
    before = popularity[order].double().cumsum(0) - popularity[order]
    band = torch.empty_like(order)
    band[order] = (before * len(BANDS) / popularity.sum().clamp(min=1)).long().clamp(max=len(BANDS) - 1)
    inside = one_hot(band, len(BANDS)).float()
    units = normalize(items, dim=-1)
    pairs = (inside.T @ units).square().sum(1) - inside.T @ units.square().sum(1)
    sizes = inside.sum(0)
    cosines = (pairs / (sizes * (sizes - 1)).clamp(min=1)).tolist()
    return {f"anisotropy_{name}": cosine for name, cosine, size in zip(BANDS, cosines, sizes, strict=True) if size > 1}


def _sample(rows: Tensor, rng: Generator) -> Tensor:
    return rows[_draw(len(rows), SAMPLE, rng)]


def _draw(count: int, most: int, rng: Generator) -> Tensor:
    """At most ``most`` of ``count`` numbers, none twice."""
    return torch.randperm(count, generator=rng)[:most] if count > most else torch.arange(count)
