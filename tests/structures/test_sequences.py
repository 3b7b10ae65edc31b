"""What the sequence feed promises: every target once, nobody twice, the newest items, and a defined answer for the odd user."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Interactions, Shape
from recsys_cl.structures.sequences import SequenceFeed, Sequences, join

ITEMS = 20
HISTORIES = st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=9), min_size=1, max_size=30)


def interactions(histories: list[list[int]], items: int = ITEMS) -> Interactions:
    """Everybody's first item, then everybody's second, ...: as a log sorted by time would have them."""
    pairs = sorted((time, user, item) for user, history in enumerate(histories) for time, item in enumerate(history))
    columns = torch.tensor(pairs, dtype=torch.int64).view(-1, 3)
    return Interactions(Shape(len(histories), items), columns[:, 1], columns[:, 2], columns[:, 0])


def feed(histories: list[list[int]], **arguments: int) -> SequenceFeed:
    log = interactions(histories)
    return SequenceFeed(log.shape, log, **arguments)


def row(source: Sequences, index: int) -> list[int]:
    return source.tokens[int(source.offsets[index]) : int(source.offsets[index + 1])].tolist()


def seed(value: int) -> Generator:
    return torch.Generator().manual_seed(value)


class Shared:
    """Negatives 3, 4, 5 for everybody."""

    def __call__(self, users: Tensor, rng: Generator) -> Tensor:
        return torch.tensor([3, 4, 5])

    def log_q(self, items: Tensor) -> Tensor:
        return -items.double()


class Own:
    """For each query two negatives that tell whose query it was."""

    def __call__(self, users: Tensor, rng: Generator) -> Tensor:
        return torch.stack((users, users + 1), 1)

    def log_q(self, items: Tensor) -> Tensor:
        return torch.zeros(items.numel())


@given(HISTORIES, st.integers(1, 5), st.integers(1, 8), st.integers(0, 99))
def test_an_epoch_asks_for_each_next_item_once(histories: list[list[int]], size: int, longest: int, chance: int) -> None:
    source = feed(histories, batch_size=size, max_length=longest)
    if not source.steps:
        return
    asked: Counter[tuple[int, tuple[int, ...], int]] = Counter()
    batches = list(source.training(seed(chance)))
    for batch in batches:
        assert batch.users.numel() <= size
        assert torch.equal(batch.query, batch.source.readout)
        assert batch.source.longest == int(batch.source.lengths.max())
        for index, user in enumerate(batch.users.tolist()):
            begin, end = int(batch.source.offsets[index]), int(batch.source.offsets[index + 1])
            for place in range(begin, end):
                asked[user, tuple(batch.source.tokens[begin : place + 1].tolist()), int(batch.positive[place])] += 1
    expected = Counter(
        (user, tuple(newest[:place]), newest[place])
        for user, history in enumerate(histories)
        for newest in [history[-longest - 1 :]]
        for place in range(1, len(newest))
    )
    assert asked == expected
    assert len(batches) == source.steps
    assert sorted(torch.cat([b.users for b in batches]).tolist()) == [u for u, h in enumerate(histories) if len(h) > 1]


@given(HISTORIES, st.integers(1, 8))
def test_inference_covers_everybody_once_with_the_newest_items(histories: list[list[int]], longest: int) -> None:
    asked = torch.arange(len(histories)).flip(0)
    met = {}
    for source, users in feed(histories, max_length=longest).inference(asked):
        assert torch.equal(source.readout, source.offsets[1:] - 1)
        for index, user in enumerate(users.tolist()):
            assert user not in met
            met[user] = row(source, index)
    assert met == {user: history[-longest:] or [ITEMS] for user, history in enumerate(histories)}


def test_nobody_to_serve_is_no_block() -> None:
    assert list(feed([[1, 2]]).inference(torch.tensor([], dtype=torch.int64))) == []


def test_the_order_of_batches_is_drawn_from_the_generator_alone() -> None:
    source = feed([[1] * (2 + user % 7) for user in range(200)], batch_size=8)

    def order(chance: int) -> list[list[int]]:
        torch.manual_seed(chance * 7)
        return [batch.users.tolist() for batch in source.training(seed(chance))]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_users_of_like_length_share_a_batch_and_long_ones_do_not_come_in_turn() -> None:
    source = feed([[1] * (2 + user % 8) for user in range(160)], batch_size=10, max_length=50)
    batches = [batch.source for batch in source.training(seed(5))]
    assert all(batch.longest - int(batch.lengths.min()) == 0 for batch in batches)
    met = [batch.longest for batch in batches]
    assert met != sorted(met)


def test_without_a_sampler_targets_stand_against_the_whole_catalogue() -> None:
    (batch,) = feed([[1, 2, 3], [4, 2]]).training(seed(0))
    assert (batch.items, batch.positives, batch.negative, batch.log_q) == (None, 0, None, None)
    assert sorted(batch.positive.tolist()) == [2, 2, 3]


def sampled(sampler: Shared | Own) -> Batch[Sequences]:
    log = interactions([[1, 2, 3], [4, 2]])
    (batch,) = SequenceFeed(log.shape, log, sampler).training(seed(0))
    return batch


def test_with_shared_negatives_each_item_is_named_once() -> None:
    batch = sampled(Shared())
    assert batch.items is not None
    assert batch.negative is not None
    assert batch.log_q is not None
    assert batch.items.tolist() == [2, 3, 4, 5]
    assert batch.positives == 2
    assert sorted(batch.items[batch.positive].tolist()) == [2, 2, 3]
    assert batch.items[batch.negative].tolist() == [3, 4, 5]
    assert batch.log_q.tolist() == [-2, -3, -4, -5]


def test_with_negatives_of_their_own_every_query_gets_its_users() -> None:
    batch = sampled(Own())
    assert batch.items is not None
    assert batch.negative is not None
    owner = batch.users[batch.source.rows]
    assert torch.equal(batch.items[batch.negative], torch.stack((owner, owner + 1), 1))


def test_joined_sources_keep_their_rows_and_readouts() -> None:
    shape = Shape(2, ITEMS)
    first = Sequences(shape, torch.tensor([1, 2, 3]), torch.tensor([0, 2, 3]), torch.tensor([0, 1, 2]), 2)
    second = Sequences(shape, torch.tensor([4, 5, 6]), torch.tensor([0, 3]), torch.tensor([2]), 3)
    both = join([first, second])
    assert [row(both, index) for index in range(3)] == [[1, 2], [3], [4, 5, 6]]
    assert both.tokens[both.readout].tolist() == [1, 2, 3, 6]
    assert both.longest == 3
    assert both.users is None


def test_rows_keep_whose_they_are() -> None:
    histories = [[1] * (2 + user % 4) for user in range(9)]
    source = feed(histories, batch_size=4)
    batches = list(source.training(seed(3)))
    assert all(torch.equal(batch.source.users, batch.users) for batch in batches)
    assert all(torch.equal(block.users, users) for block, users in source.inference(torch.arange(9).flip(0)))
    first, second = batches[0].source, batches[1].source
    assert join([first, second]).users.tolist() == [*first.users.tolist(), *second.users.tolist()]


def test_a_joined_source_is_looked_at_as_its_parts_are() -> None:
    hidden = Sequences(Shape(2, ITEMS), torch.tensor([1, 2]), torch.tensor([0, 2]), torch.tensor([1]), 2, causal=False)
    assert not join([hidden, hidden]).causal
    assert join([replace(hidden, causal=True)] * 2).causal


@pytest.mark.parametrize("key", ["max_length", "batch_size"])
def test_a_size_of_zero_is_refused_by_name(key: str) -> None:
    log = interactions([[1, 2]])
    with pytest.raises(Refused, match=f"source.{key}"):
        build("structures", Component.model_validate({"use": "sequences", key: 0}), "source", shape=log.shape, interactions=log)


def test_training_without_a_next_item_anywhere_is_refused() -> None:
    with pytest.raises(Refused, match="two interactions"):
        next(feed([[1], [2], []]).training(seed(0)))


def test_times_are_those_of_the_tokens_in_training_and_when_serving() -> None:
    columns = torch.tensor([(10, 0, 1), (20, 1, 7), (30, 0, 2), (30, 0, 5), (40, 1, 3), (50, 0, 4)])
    log = Interactions(Shape(3, ITEMS), columns[:, 1], columns[:, 2], columns[:, 0])
    when = {0: [10, 30, 30, 50], 1: [20, 40], 2: [0]}
    made = SequenceFeed(log.shape, log, max_length=3, times=True)
    (batch,) = made.training(seed(1))
    assert batch.source.times is not None
    for number, user in enumerate(batch.users.tolist()):
        own = slice(int(batch.source.offsets[number]), int(batch.source.offsets[number + 1]))
        assert batch.source.times[own].tolist() == when[user][:-1][-3:]
    ((source, users),) = made.inference(torch.arange(3))
    assert source.times is not None
    assert source.times.tolist() == [time for user in users.tolist() for time in when[user][-3:]]
    assert SequenceFeed(log.shape, log).times is None


def test_joined_times_follow_their_tokens_and_need_all_to_have_them() -> None:
    first = Sequences(
        Shape(2, ITEMS), torch.tensor([1, 2]), torch.tensor([0, 2]), torch.tensor([1]), 2, times=torch.tensor([5, 6])
    )
    second = replace(first, tokens=torch.tensor([3, 4]), times=torch.tensor([7, 8]))
    joined = join([first, second]).times
    assert joined is not None
    assert joined.tolist() == [5, 6, 7, 8]
    assert join([first, replace(second, times=None)]).times is None
