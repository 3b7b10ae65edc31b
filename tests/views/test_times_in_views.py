"""Times travel with what was met: through every view of histories, as many as tokens, never running backwards."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.core.build import build
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.structures.sequences import SequenceFeed, Sequences

SHAPE = Shape(9, 8)
ONE_OF = [{"use": "crop", "ratio": 0.5}, {"use": "insert", "ratio": 0.5}, {"use": "same_target"}]
VIEWS: list[dict[str, object]] = [
    {"use": "identity"},
    {"use": "crop", "ratio": 0.6},
    {"use": "mask", "ratio": 0.5},
    {"use": "reorder", "ratio": 0.8},
    {"use": "substitute", "ratio": 0.5},
    {"use": "insert", "ratio": 0.5, "max_length": 5},
    {"use": "same_target", "max_length": 4},
    {"use": "one_of", "of": ONE_OF},
]


def log() -> Interactions:
    """Two to six items each; who met an item when is told by the time: 1000 user + 10 place, in days."""
    rng = torch.Generator().manual_seed(0)
    rows = [torch.randint(SHAPE.items, (2 + user % 5,), generator=rng).tolist() for user in range(SHAPE.users)]
    met = [(1000 * user + 10 * place, user, item) for user, row in enumerate(rows) for place, item in enumerate(row)]
    columns = torch.tensor(sorted(met))
    return Interactions(SHAPE, columns[:, 1], columns[:, 2], columns[:, 0])


def source(*, times: bool = True) -> Sequences:
    (batch,) = SequenceFeed(SHAPE, log(), batch_size=50, times=times).training(torch.Generator().manual_seed(1))
    return batch.source


def altered(settings: dict[str, object], given: Sequences) -> Sequences:
    view = build("views", Component.model_validate(settings), "views.0", shape=SHAPE, interactions=log())
    return view(given, torch.Generator().manual_seed(2))  # type: ignore[no-any-return]


@pytest.mark.parametrize("settings", VIEWS, ids=lambda each: str(each["use"]))
def test_every_token_keeps_a_time_and_rows_run_forward(settings: dict[str, object]) -> None:
    found = altered(settings, source())
    assert found.times is not None
    assert found.times.shape == found.tokens.shape
    same_row = found.rows[1:] == found.rows[:-1]
    assert (found.times.diff()[same_row] >= 0).all()
    assert set(found.times.tolist()) <= set(log().times.tolist())


@pytest.mark.parametrize("settings", VIEWS, ids=lambda each: str(each["use"]))
def test_times_change_nothing_else_and_are_there_only_when_asked_for(settings: dict[str, object]) -> None:
    plain, timed = altered(settings, source(times=False)), altered(settings, source())
    assert plain.times is None
    assert torch.equal(plain.tokens, timed.tokens)
    assert torch.equal(plain.offsets, timed.offsets)


@pytest.mark.parametrize("settings", [VIEWS[1], VIEWS[6]], ids=["crop", "same_target"])
def test_what_is_taken_from_a_history_is_taken_with_its_time(settings: dict[str, object]) -> None:
    data, found = log(), altered(settings, source())
    assert found.times is not None
    met = dict(zip(data.times.tolist(), data.items.tolist(), strict=True))
    assert [met[time] for time in found.times.tolist()] == found.tokens.tolist()
