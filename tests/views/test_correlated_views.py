"""Substitution and insertion: only correlated items come in, where and as often as said, and nothing from anybody's future."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from recsys_cl.core.build import build
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.ops.ragged import offsets_of
from recsys_cl.structures.sequences import Sequences

SHAPE = Shape(20, 12)
PARTNER = [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 12, 12]  # items were met two by two; the last two by people of one item: 12 is nothing

View = Callable[[Sequences, Generator], Sequences]


def view(use: str, **arguments: object) -> View:
    pairs = [(user, 2 * (user % 5) + half) for user in range(10) for half in (0, 1)] + [(10, 10), (11, 11)]
    users, items = torch.tensor(pairs).T
    log = Interactions(SHAPE, users, items, torch.zeros_like(users))
    return build("views", Component.model_validate({"use": use, **arguments}), "views.0", shape=SHAPE, interactions=log)


def histories(rows: list[list[int]]) -> Sequences:
    offsets = offsets_of(torch.tensor([len(row) for row in rows]))
    tokens = torch.tensor([item for row in rows for item in row])
    return Sequences(SHAPE, tokens, offsets, offsets[1:] - 1, max(map(len, rows)))


def rows(source: Sequences) -> list[list[int]]:
    return [source.tokens[begin:end].tolist() for begin, end in zip(source.offsets[:-1], source.offsets[1:], strict=True)]


def seed(value: int) -> Generator:
    return torch.Generator().manual_seed(value)


# Hidden items (12) are among what a history may hold.
ROWS = st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=9), min_size=1, max_size=8)
TENTHS = st.integers(0, 10)


def asked(row: list[int], tenths: int) -> int:
    return max(1, tenths * len(row) // 10) if tenths else 0


@settings(max_examples=80, deadline=None)
@given(ROWS, TENTHS, st.integers(0, 99))
def test_substitution_exchanges_items_for_their_partners(given_rows: list[list[int]], tenths: int, chance: int) -> None:
    altered = view("substitute", ratio=tenths / 10)(histories(given_rows), seed(chance))
    assert altered.readout.tolist() == (altered.offsets[1:] - 1).tolist()
    for old, new in zip(given_rows, rows(altered), strict=True):
        changed = [place for place in range(len(old)) if old[place] != new[place]]
        assert all(new[place] == PARTNER[old[place]] for place in changed)
        alone = sum(item >= 10 for item in old)  # these stay although they may have been chosen
        assert asked(old, tenths) - alone <= len(changed) <= asked(old, tenths)


@settings(max_examples=80, deadline=None)
@given(ROWS, TENTHS, st.integers(0, 99))
def test_insertion_puts_partners_before_items(given_rows: list[list[int]], tenths: int, chance: int) -> None:
    altered = view("insert", ratio=tenths / 10)(histories(given_rows), seed(chance))
    assert int(altered.lengths.max()) <= altered.longest
    assert altered.readout.tolist() == (altered.offsets[1:] - 1).tolist()
    for old, new in zip(given_rows, rows(altered), strict=True):
        assert new[-1] == old[-1]
        assert _explained(old, new)
        alone = sum(item >= 10 for item in old)
        assert asked(old, tenths) - alone <= len(new) - len(old) <= asked(old, tenths)


def _explained(old: list[int], new: list[int]) -> bool:
    """Each old item stands in its order, at most one partner right before it."""
    if not old:
        return not new
    plain = new[:1] == old[:1] and _explained(old[1:], new[1:])
    return plain or (old[0] < 10 and new[:2] == [PARTNER[old[0]], old[0]] and _explained(old[1:], new[2:]))


def test_what_grows_too_long_keeps_its_newest_items() -> None:
    source = histories([[0, 2, 4, 6], [8]])
    whole = rows(view("insert", ratio=1.0)(source, seed(1)))
    assert whole == [[1, 0, 3, 2, 5, 4, 7, 6], [9, 8]]
    cut = view("insert", ratio=1.0, max_length=5)(source, seed(1))
    assert rows(cut) == [[2, 5, 4, 7, 6], [9, 8]]
    assert cut.longest == 5


def test_items_met_with_nothing_and_hidden_ones_stay() -> None:
    source = histories([[10, 12, 11]])
    for use in ("substitute", "insert"):
        assert rows(view(use, ratio=1.0)(source, seed(1))) == [[10, 12, 11]]


@pytest.mark.parametrize("use", ["substitute", "insert"])
def test_every_position_is_equally_likely(use: str) -> None:
    source = histories([[0, 2, 4, 6]] * 20_000)
    met = Counter(tuple(sorted(set(row) - {0, 2, 4, 6})) for row in rows(view(use, ratio=0.5)(source, seed(3))))
    assert len(met) == 6
    assert sum((count - 20_000 / 6) ** 2 for count in met.values()) / (20_000 / 6) < 36.5  # p > 1e-6, 5 degrees of freedom


@pytest.mark.parametrize("use", ["substitute", "insert"])
def test_several_correlates_are_drawn_alike(use: str) -> None:
    users = torch.arange(12) // 4
    log = Interactions(SHAPE, users, torch.tensor([0, 1, 2, 3] * 3), torch.zeros_like(users))
    made: View = build("views", Component(use=use, ratio=1.0, among=3), "views.0", shape=SHAPE, interactions=log)
    met = Counter(row[0] for row in rows(made(histories([[0]] * 9000), seed(4))))
    assert set(met) == {1, 2, 3}
    assert sum((count - 3000) ** 2 for count in met.values()) / 3000 < 27.7  # p > 1e-6, 2 degrees of freedom


@pytest.mark.parametrize("use", ["substitute", "insert"])
def test_inside_one_of_they_know_the_same_interactions_and_keep_whose_rows_are(use: str) -> None:
    source = replace(histories([[0, 2], [4, 6]]), users=torch.tensor([7, 3]), causal=False)
    altered = view("one_of", of=[{"use": use, "ratio": 1.0}])(source, seed(1))
    assert rows(altered) == rows(view(use, ratio=1.0)(source, seed(1)))
    assert altered.users is not None
    assert altered.users.tolist() == [7, 3]
    assert not altered.causal


@pytest.mark.parametrize("use", ["substitute", "insert", "same_target"])
def test_without_any_interaction_histories_stay(use: str) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    log = Interactions(SHAPE, none, none, none)
    made: View = build("views", Component(use=use), "views.0", shape=SHAPE, interactions=log)
    source = replace(histories([[3], [1, 2, 12]]), users=torch.tensor([4, 5]))
    assert rows(made(source, seed(1))) == [[3], [1, 2, 12]]
