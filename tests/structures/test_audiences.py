"""Items and categories as tasks: who met them first is the support, who followed is the query, and new ones find their people."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recsys_cl.config import load_pipeline, load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.stages.assemble import Assembly, assemble
from recsys_cl.structures.audiences import AudienceFeed
from recsys_cl.structures.episodes import EpisodeFeed
from tests.graphs import generator

ROWS = [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (1, 0), (1, 2)]  # user, item, in the order of time
SHAPE = Shape(users=3, items=4)


def met(rows: list[tuple[int, int]] = ROWS, shape: Shape = SHAPE) -> Interactions:
    users, items = (torch.tensor([row[side] for row in rows]) for side in (0, 1))
    return Interactions(shape, users, items, torch.arange(len(rows)))


def kinds(rows: list[list[float]]) -> ItemFeatures:
    values = torch.tensor(rows)
    return ItemFeatures({"category": Modality(values, values.any(1))})


def tasks_of(feed: AudienceFeed) -> list[list[list[int]]]:
    """Of each item its tasks, each as the users it is known by."""
    [(source, _)] = feed.inference(torch.arange(3))
    known = [row for block in source.blocks for row in block.support.tolist()]
    return [[known[place] for place in source.tasks.row(item).tolist()] for item in range(len(source.tasks))]


def test_an_item_is_known_by_who_met_it_each_once_oldest_first() -> None:
    assert tasks_of(AudienceFeed(SHAPE, met())) == [[[0, 1, 2]], [[0, 2]], [[1]], [[]]]
    assert tasks_of(AudienceFeed(SHAPE, met(), support=2)) == [[[1, 2]], [[0, 2]], [[1]], [[]]]


def test_an_item_is_its_categories_and_one_without_is_nothing_in_particular() -> None:
    content = kinds([[1, 0], [1, 1], [0, 1], [0, 0]])
    found = tasks_of(AudienceFeed(SHAPE, met(), content, task="category"))
    assert found == [[[0, 1, 2]], [[0, 1, 2], [0, 2, 1]], [[0, 2, 1]], [[]]]


def test_training_asks_for_the_users_who_followed() -> None:
    feed = AudienceFeed(SHAPE, met(), batch_size=1, support=1, query=1)
    rng = generator()
    pairs = {tuple(batch.source.query[0].tolist()) for _ in range(20) for batch in feed.training(rng)}
    assert feed.steps == 2, "what one user met is no task"
    assert pairs == {(0,), (1,), (2,)}
    for batch in feed.training(rng):
        assert batch.source.shape.items == SHAPE.users
        assert batch.items is None


@pytest.mark.parametrize("task", ["item", "category"])
def test_tasks_are_those_of_the_log_turned_round(task: str) -> None:
    content = kinds([[1, 0], [0, 1], [1, 0], [0, 0]])
    kind = [0, 1, 2, 3] if task == "item" else [0, 1, 0, 2]
    rows = [(2, 0), (0, 0), (2, 1), (1, 2), (2, 0), (0, 1), (1, 0), (0, 2)]
    turned = dict.fromkeys((kind[item], user) for user, item in rows)  # the first of each pair counts
    other = EpisodeFeed(Shape(max(kind) + 1, SHAPE.users), met(list(turned), Shape(max(kind) + 1, SHAPE.users)), batch_size=1)
    ours = AudienceFeed(SHAPE, met(rows), content, task=task, batch_size=1)
    one, two = (
        [(batch.source.support.tolist(), batch.source.query.tolist()) for batch in feed.training(generator(4))]
        for feed in (ours, other)
    )
    assert one
    assert one == two


@pytest.mark.parametrize("pipeline", ["few-shot-items", "few-shot-directors"])
def test_the_pipelines_that_turn_their_log_ask_the_recipe_of_items(pipeline: str) -> None:
    ours = load_pipeline(Path(__file__).parents[2] / "pipelines" / f"{pipeline}.toml").recipes()["meta-items"]
    recipe = load_recipe("meta-items")
    assert ours.objectives == recipe.objectives
    assert ours.training.learning_rate == recipe.training.learning_rate
    assert ours.method.arguments == {**recipe.method.arguments, "negatives": 0}
    for key in ("batch_size", "support", "query"):
        assert ours.source.arguments[key] == recipe.source.arguments[key]


def world(task: str) -> tuple[Interactions, ItemFeatures]:
    """Users and items of two tastes; the last two items, one of each taste, were met by three users."""
    rng, rows = generator(3), []
    for user in range(60):
        liked = torch.randperm(15, generator=rng)[:8] * 2 + user % 2
        rows += [(user, item) for item in liked.tolist()]
    rows += [(user, 30 + user % 2) for user in range(6)]
    taste = torch.arange(32) % 2
    kind = taste if task == "category" else taste * 0
    return met(rows, Shape(60, 32)), kinds(torch.nn.functional.one_hot(kind, 2).tolist())


@pytest.mark.slow
@pytest.mark.parametrize("task", ["item", "category"])
def test_few_users_who_met_something_new_tell_who_else_will(task: str) -> None:
    data, content = world(task)
    changes = {"source": {"task": task, "batch_size": 16}, "encoder": {"dim": 8}}
    built: Assembly = assemble(load_recipe("meta-items", changes), data, 1, torch.device("cpu"), content)
    optimizer, rng = torch.optim.Adam(built.method.module.parameters(), 3e-2), generator(2)
    for _ in range(40):
        for batch in built.feed.training(rng):
            optimizer.zero_grad()
            torch.stack(list(built.method.losses(batch, rng).values())).sum().backward()
            optimizer.step()
    found = encode_all(built.method, built.feed, torch.arange(60))
    scores = found.users @ found.items[30:].T
    right = scores.argmax(1) == torch.arange(60) % 2
    assert right[6:].float().mean() > 0.9, "nobody of these has met one of the two"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": {"use": "uniform"}}, "sampler: tasks that are items ask for users"),
        ({"source": {"task": "category"}}, r"source\.by: tasks that are categories read the feature 'category'"),
        ({"source": {"task": "user"}}, "source.task"),
    ],
)
def test_what_makes_no_sense_is_refused_by_key(changes: dict, message: str) -> None:
    with pytest.raises(Refused, match=message):
        assemble(load_recipe("meta-items", changes), met(), 1, torch.device("cpu"))


def test_data_without_a_task_are_refused() -> None:
    feed = AudienceFeed(SHAPE, met([(0, 0), (1, 1), (2, 2)]))
    with pytest.raises(Refused, match="train: nothing was met by two users"):
        next(iter(feed.training(generator())))


def test_where_no_item_has_a_category_that_is_said() -> None:
    nothing = Modality(torch.zeros(SHAPE.items, 2), torch.zeros(SHAPE.items, dtype=torch.bool))
    with pytest.raises(Refused, match="no item has a category in the feature 'kind'"):
        AudienceFeed(SHAPE, met(), ItemFeatures({"kind": nothing}), task="category", by="kind")
