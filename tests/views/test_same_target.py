"""Another history with the same next item: all of them, equally often, never one's own, and one's own where there is none."""

from __future__ import annotations

from collections import Counter

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from recsys_cl.core.values import Interactions, Shape
from recsys_cl.structures.sequences import SequenceFeed, Sequences
from recsys_cl.views.same_target import SameTarget

ITEMS = 6
HISTORIES = st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=6), min_size=1, max_size=10)


def interactions(histories: list[list[int]]) -> Interactions:
    pairs = sorted((time, user, item) for user, history in enumerate(histories) for time, item in enumerate(history))
    columns = torch.tensor(pairs, dtype=torch.int64).view(-1, 3)
    return Interactions(Shape(len(histories), ITEMS), columns[:, 1], columns[:, 2], columns[:, 0])


def rows(source: Sequences) -> list[tuple[int, ...]]:
    ends = zip(source.offsets[:-1], source.offsets[1:], strict=True)
    return [tuple(source.tokens[begin:end].tolist()) for begin, end in ends]


def seed(value: int) -> Generator:
    return torch.Generator().manual_seed(value)


def others(histories: list[list[int]], user: int) -> list[tuple[int, ...]]:
    """Every history that the user's last item followed, the user's own whole one left out."""
    target = histories[user][-1]
    return [
        tuple(history[:end])
        for other, history in enumerate(histories)
        for end in range(1, len(history))
        if history[end] == target and (other, end) != (user, len(history) - 1)
    ]


@settings(max_examples=100, deadline=None)
@given(HISTORIES, st.integers(1, 5), st.integers(0, 99))
def test_what_comes_was_followed_by_the_same_item(histories: list[list[int]], longest: int, chance: int) -> None:
    log = interactions(histories)
    feed = SequenceFeed(log.shape, log, batch_size=4, max_length=8)
    if not feed.steps:
        return
    made = SameTarget(log, max_length=longest)
    for batch in feed.training(seed(chance)):
        altered = made(batch.source, seed(chance))
        assert int(altered.lengths.max()) <= altered.longest
        assert torch.equal(altered.readout, altered.offsets[1:] - 1)
        for user, own, new in zip(batch.users.tolist(), rows(batch.source), rows(altered), strict=True):
            choice = [history[-longest:] for history in others(histories, user)]
            assert new in choice if choice else new == own


def test_all_of_them_are_equally_likely() -> None:
    histories = [[1, 2, 0], [3, 0, 4], [5, 0], [2, 2, 2, 0], [0, 1]]  # before 0: (1 2), (3), (5), (2 2 2), and nothing
    log = interactions(histories)
    for user in (0, 2, 3):
        (source, _) = next(iter(SequenceFeed(log.shape, log, max_length=5).inference(torch.full((3000,), user))))
        met = Counter(rows(SameTarget(log)(source, seed(user))))
        choice = others(histories, user)
        assert len(choice) == 3
        assert set(met) == set(choice)
        assert sum((count - 1000) ** 2 for count in met.values()) / 1000 < 27.7  # p > 1e-6, 2 degrees of freedom


def test_who_has_no_fellow_keeps_the_own_history() -> None:
    histories = [[1, 2, 3], [2, 1, 5], [0], []]
    log = interactions(histories)
    (source, users) = next(iter(SequenceFeed(log.shape, log).inference(torch.arange(4))))
    assert [rows(source)[users.tolist().index(user)] for user in range(4)] == [(1, 2, 3), (2, 1, 5), (0,), (ITEMS,)]
    assert rows(SameTarget(log)(source, seed(1))) == rows(source)


def test_who_has_met_too_little_to_have_a_target_keeps_the_own_history() -> None:
    log = interactions([[1, 0], [2, 0], [3, 0], [0], []])
    (source, users) = next(iter(SequenceFeed(log.shape, log).inference(torch.arange(5))))
    new = dict(zip(users.tolist(), rows(SameTarget(log)(source, seed(1))), strict=True))
    assert new[3] == (0,)
    assert new[4] == (ITEMS,)
    assert new[0] in {(2,), (3,)}


def test_histories_of_nobody_known_stay() -> None:
    log = interactions([[1, 0], [2, 0]])
    source = Sequences(log.shape, torch.tensor([1, 4]), torch.tensor([0, 2]), torch.tensor([0, 1]), 2)
    altered = SameTarget(log)(source, seed(1))
    assert rows(altered) == [(1, 4)]
    assert altered.readout.tolist() == [1]
