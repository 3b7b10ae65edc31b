"""Sequence views: what each may change, how often it does, and that the histories given stay as they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.ops.ragged import offsets_of
from recsys_cl.structures.sequences import Sequences

ITEMS = 10**6  # more than any test's tokens
SHAPE = Shape(50, ITEMS)
THREE = [{"use": "crop", "ratio": 0.6}, {"use": "mask", "ratio": 0.3}, {"use": "reorder", "ratio": 0.6}]
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=15)
RATIOS = st.integers(0, 10).map(lambda tenth: tenth / 10)

View = Callable[[Sequences, Generator], Sequences]


def view(use: str, **arguments: object) -> View:
    none = torch.zeros(0, dtype=torch.int64)
    context = {"shape": SHAPE, "interactions": Interactions(SHAPE, none, none, none)}
    return build("views", Component.model_validate({"use": use, **arguments}), "views.0", **context)


def histories(lengths: list[int]) -> Sequences:
    """Rows of items that are all different, so that every change shows."""
    offsets = offsets_of(torch.tensor(lengths))
    total = int(offsets[-1])
    return Sequences(SHAPE, torch.arange(total) + 7, offsets, torch.arange(total), max(lengths))


def rows(source: Sequences) -> list[list[int]]:
    return [source.tokens[begin:end].tolist() for begin, end in zip(source.offsets[:-1], source.offsets[1:], strict=True)]


def seed(value: int) -> Generator:
    return torch.Generator().manual_seed(value)


def pairs(use: str, lengths: list[int], ratio: float, chance: int) -> list[tuple[list[int], list[int]]]:
    """Each history beside its view."""
    source = histories(lengths)
    return list(zip(rows(source), rows(view(use, ratio=ratio)(source, seed(chance))), strict=True))


@settings(deadline=None)
@given(LENGTHS, RATIOS, st.integers(0, 99))
def test_crop_keeps_one_stretch(lengths: list[int], ratio: float, chance: int) -> None:
    for old, new in pairs("crop", lengths, ratio, chance):
        assert len(new) == max(1, round(ratio * 10) * len(old) // 10)
        assert new == list(range(new[0], new[0] + len(new)))
        assert set(new) <= set(old)


@settings(deadline=None)
@given(LENGTHS, RATIOS, st.integers(0, 99))
def test_mask_hides_its_share_and_moves_nothing(lengths: list[int], ratio: float, chance: int) -> None:
    for old, new in pairs("mask", lengths, ratio, chance):
        hidden = [place for place, token in enumerate(new) if token == ITEMS]
        assert len(hidden) == round(ratio * 10) * len(old) // 10
        assert [t for p, t in enumerate(new) if p not in hidden] == [t for p, t in enumerate(old) if p not in hidden]


@settings(deadline=None)
@given(LENGTHS, RATIOS, st.integers(0, 99))
def test_reorder_mixes_one_stretch(lengths: list[int], ratio: float, chance: int) -> None:
    for old, new in pairs("reorder", lengths, ratio, chance):
        assert sorted(new) == old
        moved = [place for place in range(len(old)) if new[place] != old[place]]
        assert not moved or moved[-1] - moved[0] < round(ratio * 10) * len(old) // 10


@pytest.mark.parametrize(("use", "ratio"), [("crop", 1.0), ("mask", 0.0), ("reorder", 0.0), ("identity", None)])
def test_no_augmentation_is_the_history_itself(use: str, ratio: float | None) -> None:
    source = histories([5, 1, 9])
    same = view(use, **({} if ratio is None else {"ratio": ratio}))(source, seed(1))
    assert torch.equal(same.tokens, source.tokens)
    assert torch.equal(same.offsets, source.offsets)


ALL = [{"use": "identity"}, {"use": "one_of", "of": THREE}, *THREE]


@pytest.mark.parametrize("settings", ALL, ids=[str(each["use"]) for each in ALL])
def test_the_contract_of_a_view(settings: dict[str, object]) -> None:
    source = histories([6, 1, 12, 3, 2])
    kept = [value.clone() for value in (source.tokens, source.offsets, source.readout)]
    make = view(**settings)  # type: ignore[arg-type]
    one, again = make(source, seed(3)), make(source, seed(3))
    assert torch.equal(one.tokens, again.tokens)
    assert torch.equal(one.offsets, again.offsets)
    if settings["use"] != "identity":
        assert any(
            make(source, seed(3)).tokens.tolist() != make(source, seed(chance)).tokens.tolist() for chance in range(4, 9)
        )
    for before, now in zip(kept, (source.tokens, source.offsets, source.readout), strict=True):
        assert torch.equal(before, now)
    assert one.readout.tolist() == (one.offsets[1:] - 1).tolist()
    assert one.offsets.numel() == source.offsets.numel()
    assert int(one.lengths.min()) >= 1
    assert int(one.lengths.max()) <= one.longest
    assert 0 <= int(one.tokens.min()) <= int(one.tokens.max()) <= ITEMS


def chi_square(met: Counter[object], kinds: int) -> float:
    draws = sum(met.values())
    assert len(met) <= kinds
    return sum((count - draws / kinds) ** 2 for count in [*met.values(), *[0] * (kinds - len(met))]) / (draws / kinds)


@pytest.mark.parametrize(
    ("use", "ratio", "kinds", "bound"),  # bounds: p > 1e-6 for 2, 5 and 23 degrees of freedom
    [("crop", 0.5, 3, 27.7), ("mask", 0.5, 6, 36.5), ("reorder", 1.0, 24, 72.6)],
)
def test_every_choice_of_a_view_is_equally_likely(use: str, ratio: float, kinds: int, bound: float) -> None:
    source = histories([4] * 20_000)
    firsts = source.tokens[::4].tolist()
    new = rows(view(use, ratio=ratio)(source, seed(11)))
    met = Counter[object](
        tuple(None if token == ITEMS else token - first for token in each) for each, first in zip(new, firsts, strict=True)
    )
    assert chi_square(met, kinds) < bound


def test_one_of_draws_for_each_history_on_its_own() -> None:
    source = histories([9] * 3000)
    met: Counter[object] = Counter()
    for old, new in zip(rows(source), rows(view("one_of", of=THREE)(source, seed(2))), strict=True):
        assert set(new) <= {*old, ITEMS}
        met["crop" if len(new) < 9 else "mask" if ITEMS in new else "reorder"] += 1
    assert chi_square(met, 3) < 27.7


@pytest.mark.parametrize(("use", "ratio"), [("crop", 1.5), ("mask", -0.1), ("reorder", 2.0)])
def test_a_ratio_outside_its_range_is_refused_by_name(use: str, ratio: float) -> None:
    with pytest.raises(Refused, match=r"views\.0\.ratio"):
        view(use, ratio=ratio)


def test_one_of_nothing_and_one_of_the_unknown_are_refused() -> None:
    with pytest.raises(Refused, match=r"views\.0\.of"):
        view("one_of", of=[])
    with pytest.raises(Refused, match=r"views\.of\.1: .*did you mean 'crop'"):
        view("one_of", of=[{"use": "mask"}, {"use": "crp"}])
