"""Vectors whose quality is known by construction: planted communities, a collapse, noise."""

from __future__ import annotations

import json

import pytest
import torch

from recsys_cl.core.values import Interactions, Ragged, Shape
from recsys_cl.evaluation import probe
from recsys_cl.evaluation.probe import Labelled, chance_agreement, labelled, majority_rate, neighbour_agreement
from recsys_cl.evaluation.representation import representation

KINDS, EACH, DIM = 4, 30, 8


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def planted(noise):
    """Users and items of four communities around orthogonal centres; everyone met the items of their own."""
    kinds = torch.arange(KINDS).repeat_interleave(EACH)
    centres = torch.eye(DIM)[:KINDS]
    users, items = (centres[kinds] + noise * torch.randn(len(kinds), DIM, generator=rng(seed)) for seed in (1, 2))
    who = torch.arange(len(kinds)).repeat_interleave(5)
    what = kinds[who] * EACH + torch.randint(EACH, (len(who),), generator=rng(3))
    positives = Interactions(Shape(len(kinds), len(kinds)), who, what, torch.zeros_like(who))
    return (
        users,
        items,
        positives,
        torch.bincount(what, minlength=len(kinds)),
        Ragged.group(torch.arange(len(kinds)), kinds, len(kinds)),
    )


def test_planted_communities_are_known():
    found = representation(*planted(0.05), rng())
    assert found["probe_accuracy"] == found["neighbour_agreement"] == 1
    assert found["majority_rate"] == pytest.approx(1 / KINDS)
    assert found["chance_agreement"] == pytest.approx((EACH - 1) / (KINDS * EACH - 1))
    assert found["alignment"] < 0.1
    assert found["dimension"] == DIM
    assert KINDS < found["effective_rank_items"] < DIM
    assert found["anisotropy_head"] < 0.4
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_noise_knows_no_more_than_chance():
    users, items, *rest = planted(0.05)
    found = representation(torch.randn_like(users), torch.randn(items.shape, generator=rng(9)), *rest, rng())
    assert found["probe_accuracy"] < 0.45
    assert abs(found["neighbour_agreement"] - found["chance_agreement"]) < 0.1
    assert found["alignment"] == pytest.approx(2, abs=0.3)


def test_the_probe_is_judged_on_items_that_it_was_not_fitted_on():
    """With more directions than items a line through noise fits every label, and knows nothing of the next item."""
    noise = torch.randn(80, 100, generator=rng(4))
    accuracy = probe.probe_accuracy(Labelled(noise, torch.arange(80) % 2), rng())
    assert abs(accuracy - 0.5) < 5 * 0.5 / 80**0.5


def test_a_collapse_is_seen():
    users, items, *rest = planted(0.05)
    found = representation(torch.ones_like(users), torch.ones_like(items), *rest, rng())
    assert found["uniformity_users"] == found["uniformity_items"] == pytest.approx(0, abs=1e-5)
    assert found["effective_rank_items"] == pytest.approx(1)
    assert [found[f"anisotropy_{band}"] for band in ("head", "mid", "tail")] == pytest.approx(
        [1, 1, 1], abs=1e-5
    )  # sums in fp32
    assert found["alignment"] == pytest.approx(0, abs=1e-9)


def test_anisotropy_is_the_mean_cosine_of_the_pairs_of_a_band():
    items = torch.randn(7, 3, generator=rng(4))
    popularity = torch.tensor([1, 10, 1, 6, 4, 1, 7])  # thirds of 30: {1}, {6, 3}, and the rest
    nothing = torch.zeros(0, dtype=torch.int64)
    found = representation(items, items, Interactions(Shape(7, 7), nothing, nothing, nothing), popularity, None, rng())
    unit = torch.nn.functional.normalize(items, dim=1)
    tail = [0, 2, 4, 5]
    expected = torch.stack([unit[a] @ unit[b] for a in tail for b in tail if a < b]).mean()
    assert "anisotropy_head" not in found, "one item has no pair"
    assert found["anisotropy_mid"] == pytest.approx(float(unit[6] @ unit[3]), abs=1e-6)
    assert found["anisotropy_tail"] == pytest.approx(float(expected), abs=1e-6)
    assert "probe_accuracy" not in found


def test_the_same_seed_gives_the_same_numbers_and_one_dimension_is_defined():
    data = planted(0.5)
    assert representation(*data, rng(5)) == representation(*data, rng(5))
    flat = representation(data[0][:, :1], data[1][:, :1] * 0, *data[2:], rng())
    assert all(torch.tensor(value).isfinite() for value in flat.values())


def test_an_item_stands_under_its_rarest_category_and_small_categories_are_left_out():
    rows = [[0, 1]] * 6 + [[0]] * 7 + [[2]] * 4 + [[]]
    categories = Ragged(torch.tensor([kind for row in rows for kind in row]), torch.tensor([0, *map(len, rows)]).cumsum(0))
    told = labelled(torch.arange(18.0)[:, None], categories, rng())
    assert told.labels.tolist() == [1] * 6 + [0] * 7
    assert told.vectors.flatten().tolist() == list(range(13))
    assert majority_rate(told) == pytest.approx(7 / 13)
    assert chance_agreement(told) == pytest.approx((6 * 5 + 7 * 6) / (13 * 12))
    assert labelled(torch.ones(4, 1), Ragged.group(torch.arange(4), torch.arange(4), 4), rng()) is None


def test_neighbours_are_counted_by_hand(monkeypatch):
    monkeypatch.setattr(probe, "NEIGHBOURS", 1)
    angles = torch.tensor([0.0, 0.1, 0.3, 1.0, 1.05])
    told = Labelled(torch.stack((angles.cos(), angles.sin()), 1), torch.tensor([0, 0, 1, 1, 1]))
    assert neighbour_agreement(told) == pytest.approx(4 / 5)  # 2's nearest is 1
