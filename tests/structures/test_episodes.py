"""Tasks of one size, each a stretch of one user's history, and nothing of a task's query in its support."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.samplers.uniform import Uniform
from recsys_cl.structures.episodes import EpisodeFeed, Episodes
from tests.graphs import generator


def met(lengths: list[int]) -> Interactions:
    """User u meets items 0, 1, 2, ... in this order, shifted by u, so that an item tells its place."""
    users = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths, dtype=torch.int64))
    items = torch.cat([torch.arange(length) for length in lengths]) + users * 100
    return Interactions(Shape(len(lengths), 100 * len(lengths)), users, items, torch.arange(len(users)))


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=9).filter(lambda some: max(some) > 1),
    support=st.integers(1, 6),
    query=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_an_epoch_has_every_task_once_and_a_query_follows_its_support(
    lengths: list[int], support: int, query: int, seed: int
) -> None:
    data = met(lengths)
    feed = EpisodeFeed(data.shape, data, None, batch_size=2, support=support, query=query)
    seen: list[int] = []
    for batch in feed.training(generator(seed)):
        tasks = batch.source
        items = torch.cat((tasks.support, tasks.query), 1)
        assert torch.equal(items.diff(dim=1), torch.ones_like(items[:, 1:])), "a stretch of the history, in its order"
        assert torch.equal(items // 100, batch.users[:, None].expand_as(items))
        assert tasks.support.shape[1] <= support
        assert 1 <= tasks.query.shape[1] <= query
        assert torch.equal(batch.positive, tasks.query.flatten())
        assert torch.equal(tasks.tokens[:, 1:], items[:, :-1])
        assert (tasks.tokens[:, 0] == data.shape.items).all()
        seen += batch.users.tolist()
    assert sorted(seen) == [user for user, length in enumerate(lengths) if length > 1]


def test_every_number_of_shots_is_practised() -> None:
    data = met([12] * 4)
    feed = EpisodeFeed(data.shape, data, None, batch_size=2, support=5, query=3)
    rng = generator()
    sizes = {batch.source.support.shape[1] for _ in range(40) for batch in feed.training(rng)}
    assert sizes == {0, 1, 2, 3, 4, 5}


def test_whoever_is_asked_for_is_known_by_their_newest_items() -> None:
    data = met([0, 3, 9, 5])
    feed = EpisodeFeed(data.shape, data, None, support=4)
    found: dict[int, list[int]] = {}
    for tasks, users in feed.inference(torch.tensor([3, 0, 2, 1])):
        assert tasks.query.shape == (len(users), 0)
        found |= dict(zip(users.tolist(), tasks.support.tolist(), strict=True))
    assert found == {0: [], 1: [100, 101, 102], 2: [205, 206, 207, 208], 3: [301, 302, 303, 304]}


def test_negatives_of_the_query_are_rows_of_the_batch() -> None:
    data = met([6, 6])
    sampler = Uniform(shape=data.shape, interactions=data, negatives=4)
    feed = EpisodeFeed(data.shape, data, sampler, support=3, query=3)
    batch = next(feed.training(generator()))
    assert batch.items is not None
    assert batch.negative is not None
    assert torch.equal(batch.items[batch.positive], batch.source.query.flatten())
    asking: Tensor = batch.users.repeat_interleave(batch.source.query.shape[1])
    drawn = batch.items[batch.negative]
    assert drawn.shape == (len(asking), 4)
    met_already = set(zip(data.users.tolist(), data.items.tolist(), strict=True))
    assert not met_already & set(zip(asking.repeat_interleave(4).tolist(), drawn.flatten().tolist(), strict=True))


def test_histories_are_read_out_at_every_place() -> None:
    tasks = Episodes(Shape(2, 9), torch.tensor([[1, 2], [3, 4]]), torch.tensor([[5, 6], [7, 8]]))
    source = tasks.rows(tasks.tokens)
    assert source.tokens.tolist() == [9, 1, 2, 5, 9, 3, 4, 7]
    assert source.offsets.tolist() == [0, 4, 8]
    assert source.readout.tolist() == list(range(8))
    assert source.longest == 4


def test_data_without_a_task_are_refused() -> None:
    data = met([1, 1, 0])
    with pytest.raises(Refused, match="train: no user has two interactions"):
        next(EpisodeFeed(data.shape, data).training(generator()))
