"""Items of one session, or of one category, by hand and by loops; nobody's relative costs nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from recsys_cl.config import load_recipe
from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, ItemFeatures, Modality, Shape

SHAPE = Shape(3, 8)
MINUTE = 60_000_000
USERS = torch.tensor([0, 1, 0, 0, 1, 2, 1])
ITEMS = torch.tensor([2, 5, 3, 7, 2, 1, 6])
TIMES = torch.tensor([1, 2, 11, 90, 20, 25, 50]) * MINUTE
LOG = Interactions(SHAPE, USERS, ITEMS, TIMES)
IN_ONE_SESSION = {(2, 3), (2, 5), (2, 6), (5, 6)}
"""A pause of just 30 minutes goes on (0: 2, 3 | 7; 1: 5, 2, 6; 2: 1); of one item there may be many sessions."""
KINDS = torch.tensor([[1.0, 0], [0, 1], [0, 0], [0.7, 0.7], [1, 0], [0, 1], [0, 0], [0, 1]])
EVERY = torch.ones(8, dtype=torch.bool)
FEATURES = ItemFeatures(
    {
        "kind": Modality(KINDS, KINDS.any(1)),
        "vector": Modality(KINDS - 0.5, EVERY),
        "uneven": Modality(KINDS + torch.tensor([0.3, 0.1]), EVERY),
    }
)
OF_ONE_KIND = {(0, 3), (0, 4), (3, 4), (1, 3), (1, 5), (1, 7), (3, 5), (3, 7), (5, 7)}
BATCH = [6, 2, 5, 3, 7]
"""The batch's distinct positives; 0 and 1 follow as negatives."""


def make(interactions: Interactions = LOG, **settings: Any) -> Any:
    offered = {"shape": SHAPE, "interactions": interactions, "features": FEATURES, "rng": torch.Generator()}
    return build("objectives", Component(use="related", **settings), "objectives.related", **offered)


def items(seed: int = 1, count: int = 7) -> Tensor:
    return torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def batch(positives: list[int], *negatives: int) -> Batch[None]:
    some = torch.arange(len(positives))
    return Batch(None, torch.tensor([0]), torch.tensor([*positives, *negatives]), len(positives), some * 0, some)


def loss(objective: Any, rows: Tensor, asked: Batch[None]) -> Tensor:
    found: Tensor = objective(Encoding(rows[:1], rows), (), asked)
    return found


def slowly(rows: Tensor, ids: list[int], pairs: set[tuple[int, int]], tau: float) -> float:
    """Cosines, one item after the other."""
    unit = (rows / rows.norm(dim=1, keepdim=True)).tolist()
    score = [[sum(a * b for a, b in zip(x, y, strict=True)) / tau for y in unit] for x in unit]
    total = []
    for i, one in enumerate(ids):
        near = [j for j, other in enumerate(ids) if (one, other) in pairs or (other, one) in pairs]
        if near:
            mass = math.log(sum(math.exp(score[i][j]) for j in range(len(ids)) if j != i))
            total.append(mass - sum(score[i][j] for j in near) / len(near))
    return sum(total) / len(total)


@pytest.mark.parametrize(("by", "pairs"), [("session", IN_ONE_SESSION), ("kind", OF_ONE_KIND)])
def test_it_is_its_definition(by: str, pairs: set[tuple[int, int]]) -> None:
    rows = items().requires_grad_()
    found = loss(make(by=by, temperature=0.5), rows, batch(BATCH, 0, 1))
    assert found.item() == pytest.approx(slowly(rows[:5], BATCH, pairs, 0.5), abs=1e-9)
    assert torch.autograd.gradcheck(lambda given: loss(make(by=by, temperature=0.5), given, batch(BATCH, 0, 1)), (rows,))
    (slope,) = torch.autograd.grad(found, rows)
    assert slope[:5].abs().sum() > 0
    assert not slope[5:].any(), "negatives are nobody's relatives here"


def test_where_all_of_the_catalogue_is_encoded_rows_are_items() -> None:
    rows, none = items(count=8), torch.zeros(1, dtype=torch.int64)
    found = loss(make(by="kind"), rows, Batch(None, none, None, 0, none, none))
    assert found.item() == pytest.approx(slowly(rows, list(range(8)), OF_ONE_KIND, 0.1), abs=1e-9)


def test_a_shorter_pause_parts_a_session() -> None:
    rows = items()
    found = loss(make(gap=20 * 60.0, temperature=0.5), rows, batch(BATCH))
    assert found.item() == pytest.approx(slowly(rows[:5], BATCH, {(2, 3), (2, 5)}, 0.5), abs=1e-9)


def test_where_nothing_is_related_the_loss_is_zero_and_finite() -> None:
    rows = items().requires_grad_()
    found = loss(make(by="kind"), rows, batch([2, 6, 0]))
    assert found.item() == 0
    (slope,) = torch.autograd.grad(found, rows)
    assert not slope.any()


def test_two_kinds_end_at_two_poles() -> None:
    rows = items(count=4).requires_grad_()
    step = torch.optim.SGD([rows], lr=0.5)
    for _ in range(200):
        step.zero_grad()
        loss(make(by="kind", temperature=0.5), rows, batch([0, 4, 1, 5])).backward()
        step.step()
    unit = torch.nn.functional.normalize(rows.detach(), dim=1)
    (a, same, b, other) = unit
    assert min(a @ same, b @ other) > 0.9
    assert max(a @ b, same @ other) < -0.5


@pytest.mark.parametrize(
    ("settings", "log", "message"),
    [
        ({"by": "kin"}, LOG, "did you mean 'kind'"),
        ({"by": "vector"}, LOG, "the feature 'vector' are not categories"),
        ({"by": "uneven"}, LOG, "the feature 'uneven' are not categories"),
        ({}, Interactions(SHAPE, USERS, ITEMS, torch.zeros_like(TIMES)), "the log does not say"),
        ({"temperature": 0.0}, LOG, "temperature"),
        ({"gap": 0.0}, LOG, "gap"),
    ],
)
def test_what_cannot_be_read_is_refused(settings: dict[str, Any], log: Interactions, message: str) -> None:
    with pytest.raises(Refused, match=message):
        make(log, **settings)


@pytest.mark.parametrize("by", ["session", "genres"])
def test_a_recipe_may_ask_for_it_before_there_is_data(by: str) -> None:
    recipe = load_recipe("lightgcn", {"objectives": {"related": {"use": "related", "weight": 0.1, "by": by}}})
    assert recipe.objectives["related"].arguments["by"] == by
