"""What the masked feed promises: the newest items whole, some of them hidden and asked for, one more hidden to recommend."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.structures.masked_sequences import MaskedSequenceFeed
from recsys_cl.structures.sequences import SequenceFeed, Sequences

ITEMS = 20
HISTORIES = st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=9), min_size=1, max_size=20)


def interactions(histories: list[list[int]]) -> Interactions:
    pairs = sorted((time, user, item) for user, history in enumerate(histories) for time, item in enumerate(history))
    columns = torch.tensor(pairs, dtype=torch.int64).view(-1, 3)
    return Interactions(Shape(len(histories), ITEMS), columns[:, 1], columns[:, 2], columns[:, 0])


def feed(histories: list[list[int]], **arguments: float) -> MaskedSequenceFeed:
    log = interactions(histories)
    return MaskedSequenceFeed(log.shape, log, **arguments)  # type: ignore[arg-type]


def rows(source: Sequences) -> list[list[int]]:
    return [source.tokens[begin:end].tolist() for begin, end in zip(source.offsets[:-1], source.offsets[1:], strict=True)]


def seed(value: int) -> Generator:
    return torch.Generator().manual_seed(value)


@settings(max_examples=50, deadline=None)
@given(HISTORIES, st.integers(2, 8), st.integers(1, 10), st.integers(0, 99))
def test_hidden_items_put_back_are_the_newest_of_each_history(
    histories: list[list[int]], longest: int, tenths: int, chance: int
) -> None:
    source = feed(histories, batch_size=3, max_length=longest, ratio=tenths / 10, only_last=0.0)
    if not source.steps:
        return
    met = []
    for batch in source.training(seed(chance)):
        hidden = batch.source.tokens == ITEMS
        assert torch.equal(hidden.nonzero().flatten(), batch.source.readout)
        assert batch.query.tolist() == list(range(batch.source.readout.numel()))
        assert not batch.source.causal
        restored = batch.source.tokens.clone()
        restored[hidden] = batch.positive
        for index, user in enumerate(batch.users.tolist()):
            begin, end = int(batch.source.offsets[index]), int(batch.source.offsets[index + 1])
            assert restored[begin:end].tolist() == histories[user][-longest:]
            assert end - begin <= batch.source.longest <= longest
            assert int(hidden[begin:end].sum()) == max(1, tenths * (end - begin) // 10)
            met.append(user)
    assert sorted(met) == [user for user, history in enumerate(histories) if len(history) > 1]


@settings(max_examples=50, deadline=None)
@given(HISTORIES, st.integers(2, 8))
def test_to_recommend_one_more_item_is_hidden_at_the_end(histories: list[list[int]], longest: int) -> None:
    met = {}
    for source, users in feed(histories, max_length=longest).inference(torch.arange(len(histories)).flip(0)):
        assert torch.equal(source.readout, source.offsets[1:] - 1)
        assert not source.causal
        assert int(source.lengths.max()) <= source.longest <= longest
        met |= dict(zip(users.tolist(), rows(source), strict=True))
    assert met == {user: [*(history[1 - longest :] or [ITEMS]), ITEMS] for user, history in enumerate(histories)}


def test_a_share_of_histories_hides_its_newest_item_alone() -> None:
    source = feed([[1, 2, 3, 4]] * 20_000, batch_size=20_000, ratio=0.5, only_last=0.3)
    (batch,) = source.training(seed(2))
    met = Counter(tuple(place for place, token in enumerate(row) if token == ITEMS) for row in rows(batch.source))
    assert set(met) == {(3,), (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}
    assert abs(met[(3,)] / 20_000 - 0.3) < 5 * (0.3 * 0.7 / 20_000) ** 0.5


class Own:
    """For each query two negatives that tell whose query it was."""

    def __call__(self, users: Tensor, rng: Generator) -> Tensor:
        return torch.stack((users, users + 1), 1)

    def log_q(self, items: Tensor) -> Tensor:
        return -items.double()


def test_negatives_are_drawn_for_who_hides_the_item() -> None:
    log = interactions([[10, 11, 12, 13], [14, 15]])
    (batch,) = MaskedSequenceFeed(log.shape, log, Own(), ratio=0.5, only_last=0.0).training(seed(1))
    assert batch.items is not None
    assert batch.negative is not None
    assert batch.log_q is not None
    owner = batch.users[batch.source.rows[batch.source.readout]]
    assert torch.equal(batch.items[batch.negative], torch.stack((owner, owner + 1), 1))
    assert torch.equal(batch.log_q, -batch.items.double())
    assert set(batch.items[batch.positive].tolist()) <= set(range(10, 16))
    assert sorted(batch.items[: batch.positives].tolist()) == sorted(set(batch.items[batch.positive].tolist()))


def test_what_is_hidden_is_drawn_from_the_generator_alone() -> None:
    source = feed([[1, 2, 3, 4, 5, 6]] * 30, batch_size=8, ratio=0.3)

    def hidden(chance: int) -> list[list[int]]:
        torch.manual_seed(chance * 7)
        return [batch.source.readout.tolist() for batch in source.training(seed(chance))]

    assert hidden(1) == hidden(1)
    assert hidden(1) != hidden(2)


def test_batches_are_of_the_users_that_the_feed_of_next_items_takes() -> None:
    histories = [[1] * (2 + user % 5) for user in range(50)]
    log = interactions(histories)
    other = SequenceFeed(log.shape, log, batch_size=8)
    source = feed(histories, batch_size=8)
    assert source.steps == other.steps
    assert sorted(u for b in source.training(seed(1)) for u in b.users.tolist()) == list(range(50))


@pytest.mark.parametrize(("key", "value"), [("max_length", 1), ("ratio", 0.0), ("ratio", 1.1), ("only_last", -0.1)])
def test_what_makes_no_sense_is_refused_by_name(key: str, value: float) -> None:
    log = interactions([[1, 2]])
    with pytest.raises(Refused, match=f"source.{key}"):
        build("structures", Component(use="masked_sequences", **{key: value}), "source", shape=log.shape, interactions=log)


def test_training_without_two_items_anywhere_is_refused() -> None:
    with pytest.raises(Refused, match="two interactions"):
        next(feed([[1], [2], []]).training(seed(0)))
