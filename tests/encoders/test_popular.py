"""The baselines that learn nothing: counted by hand, equal to a dictionary, and able to travel like any model."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, Ragged, Shape
from recsys_cl.encoders.recent_popular import RecentPopular
from recsys_cl.evaluation.rank import rank
from recsys_cl.structures.plain import Plain, PlainFeed

DAY = 86_400 * 10**6
SHAPE = Shape(4, 6)
# item 1: users 0, 2, 3; item 5: users 0 (three times), 1; item 0: user 3; times in days
LOG = [(0, 5, 0), (0, 1, 10), (0, 5, 20), (2, 1, 30), (1, 5, 60), (3, 0, 60), (3, 1, 60), (0, 5, 90)]


def log(rows=LOG, shape=SHAPE):
    users, items, days = (torch.tensor(column) for column in zip(*rows, strict=True))
    return Interactions(shape, users, items, days * DAY)


def made(use, interactions, **arguments):
    return build("encoders", Component(use=use, **arguments), "encoder", interactions=interactions)


def test_popular_counts_distinct_users():
    (encoding,) = made("popular", log())([Plain()], torch.tensor([3, 1]))
    assert encoding.items.flatten().tolist() == [1, 3, 0, 0, 0, 2]
    assert encoding.users.tolist() == [[1], [1]]


def test_recent_popular_halves_with_age():
    (encoding,) = made("recent_popular", log(), half_life_days=30.0)([Plain()], torch.tensor([0]))
    assert encoding.items.flatten().tolist() == pytest.approx([1 / 2, 2 ** (-80 / 30) + 1 / 4 + 1 / 2, 0, 0, 0, 1 + 1 / 2])


def test_recent_popular_equals_a_dictionary():
    rng = torch.Generator().manual_seed(0)
    rows = [tuple(int(torch.randint(0, n, (), generator=rng)) for n in (40, 25, 300)) for _ in range(900)]
    rows.sort(key=lambda row: row[2])
    latest = {(user, item): day for user, item, day in rows}
    expected = Counter()
    for (_, item), day in latest.items():
        expected[item] += 0.5 ** ((rows[-1][2] - day) / 7.0)
    (encoding,) = made("recent_popular", log(rows, Shape(40, 25)), half_life_days=7.0)([Plain()], torch.tensor([0]))
    assert encoding.items.flatten().tolist() == pytest.approx([expected[item] for item in range(25)], rel=1e-6)


def test_without_times_recent_popularity_is_popularity():
    timeless = Interactions(SHAPE, log().users, log().items, torch.zeros(len(LOG), dtype=torch.int64))
    (recent,) = made("recent_popular", timeless)([Plain()], torch.tensor([0]))
    (plain,) = made("popular", timeless)([Plain()], torch.tensor([0]))
    assert recent.items.equal(plain.items)


@pytest.mark.parametrize("use", ["popular", "recent_popular"])
class TestContract:
    def test_rows_asked_for(self, use):
        encoder = made(use, log())
        (some,) = encoder([Plain()], torch.tensor([0]), torch.tensor([5, 1, 5]))
        (all_of_them,) = encoder([Plain()], torch.tensor([0]))
        assert some.items.equal(all_of_them.items[[5, 1, 5]])

    def test_one_encoding_a_source_whatever_it_is(self, use):
        assert len(made(use, log())([object(), "graph", None], torch.tensor([0]))) == 3

    def test_ties_go_to_the_smaller_id(self, use):
        (encoding,) = made(use, log())([Plain()], torch.tensor([0]))
        ranking, _ = rank(encoding, Ragged.group(torch.tensor([0]), torch.tensor([0]), 1), None, 6)
        assert ranking.items[0, 3:].tolist() == [2, 3, 4]

    def test_nothing_is_saved_and_nothing_is_needed(self, use, tmp_path):
        from safetensors.torch import load_file, save_file

        save_file(made(use, log()).state_dict(), tmp_path / "weights.safetensors")
        later = made(use, log([*LOG, (2, 3, 95)]))
        later.load_state_dict(load_file(tmp_path / "weights.safetensors"), strict=True)
        (encoding,) = later([Plain()], torch.tensor([0]))
        assert encoding.items[3].item() == 1  # counted from what is known now

    def test_an_empty_log_scores_zero(self, use):
        nothing = torch.zeros(0, dtype=torch.int64)
        (encoding,) = made(use, Interactions(SHAPE, nothing, nothing, nothing))([Plain()], torch.tensor([0]))
        assert encoding.items.flatten().tolist() == [0] * 6


@pytest.mark.parametrize("days", [0.0, -3.0, float("nan")])
def test_a_half_life_must_be_positive(days):
    with pytest.raises(Refused, match="half_life_days"):
        RecentPopular(log(), days)


def test_the_feed_serves_everyone_once_and_trains_on_nothing():
    feed = build("structures", Component(use="plain"), "source", interactions=log())
    assert isinstance(feed, PlainFeed)
    assert (feed.shape, feed.steps, list(feed.training(torch.Generator()))) == (SHAPE, 0, [])
    ((source, users),) = feed.inference(torch.tensor([2, 0]))
    assert isinstance(source, Plain)
    assert users.tolist() == [2, 0]
