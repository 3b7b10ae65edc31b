"""Texts that are read word by word: numbers in order, unknown words passed over, and a model that learns what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from recsys_cl.config import load_recipe
from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import ItemFeatures, Modality, Shape
from recsys_cl.encoders._words import Words
from recsys_cl.ingest.dataset import load_features
from recsys_cl.ingest.features.tokens import Tokens
from recsys_cl.ingest.preparing.content import content_of
from recsys_cl.stages.assemble import assemble
from recsys_cl.views.feature_mask import FeatureMask
from recsys_cl.views.feature_noise import FeatureNoise
from tests.graphs import generator, modal
from tests.test_modal_recipes import BLOCKS, COLD, ITEMS, USERS, block_of, scores, world

TITLES = ["A red shoe", "the RED, blue shoe", None, "unheard of", "shoe, red: red"]


def table(titles: list[str | None] = TITLES) -> pa.Table:
    return pa.table({"item_id": [f"i{at}" for at in range(len(titles))], "title": titles})


def test_words_stand_in_their_order_by_how_many_items_have_them() -> None:
    reading = Tokens("title", length=4)
    learned = reading.fit(table())
    assert learned["words"].to_pylist() == ["red", "shoe"]
    found = reading(table(), learned)
    assert found.values.tolist() == [[1, 2, 0, 0], [1, 2, 0, 0], [0] * 4, [0] * 4, [2, 1, 1, 0]]
    assert found.present.tolist() == [True, True, False, False, True]
    assert found.shape == (4, 3)


def test_what_comes_later_is_read_in_the_words_that_were_learned_and_cut() -> None:
    reading = Tokens("title", length=2, most=1)
    found = reading(table(["new red red red", "new"]), reading.fit(table()))
    assert found.values.tolist() == [[1, 1], [0, 0]]
    assert found.present.tolist() == [True, False]
    assert reading(pa.table({"item_id": ["x"]}), reading.fit(table())).present.tolist() == [False]


def test_texts_without_a_shared_word_are_refused_by_key() -> None:
    with pytest.raises(Refused, match=r"prepare\.features\.title: no two items share a word"):
        Tokens("title").fit(table(["one", "two"]))


def test_prepared_words_come_back_as_words(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "items.parquet")
    made = content_of(
        pa.array(["i0", "i1", "i4"]), tmp_path / "items.parquet", {"title": Component(use="tokens", length=3)}, cold=False
    )
    pq.write_table(made.vectors, tmp_path / "features.parquet")
    found = load_features(tmp_path, Shape(1, 3))
    assert found is not None
    assert found.modalities["title"].words == 3
    assert found.modalities["title"].values.tolist() == [[1, 2, 0], [1, 2, 0], [2, 1, 1]]


def test_the_reader_hears_the_order_of_words_and_nothing_after_the_last() -> None:
    reader = Words(5, 4, generator(1)).double()
    with torch.no_grad():
        short, other, longer = (reader(torch.tensor([row])) for row in ([1, 2, 3], [3, 2, 1], [1, 2, 3, 0, 0]))
    torch.testing.assert_close(short, longer)
    assert not torch.allclose(short, other)


def test_views_hide_words_and_change_none() -> None:
    words = torch.tensor([[1.0, 2, 3, 4]]).repeat(200, 1)
    told = ItemFeatures({"title": Modality(words, torch.ones(200, dtype=torch.bool), (4, 5))})
    source = replace(modal(), features=told)
    moved = FeatureNoise(0.5)(source, generator(1)).features.modalities["title"].values
    assert torch.equal(moved, words)
    hidden = FeatureMask(0.5)(source, generator(1)).features.modalities["title"].values
    assert ((hidden == words) | (hidden == 0)).all()
    assert 0.3 < (hidden == 0).float().mean() < 0.7


def spoken() -> ItemFeatures:
    """Titles of three words, one of which tells the block; the others are everybody's."""
    block, rng = block_of(), generator(4)
    others = torch.randint(1 + BLOCKS, 9 + BLOCKS, (len(block), 3), generator=rng)
    place = torch.randint(3, (len(block),), generator=rng)
    titles = others.scatter(1, place[:, None], block[:, None] + 1).float()
    return ItemFeatures({"title": Modality(titles, torch.ones(len(block), dtype=torch.bool), (3, 9 + BLOCKS))})


@pytest.mark.slow
def test_a_recipe_learns_to_read_and_knows_new_items_by_their_titles() -> None:
    changes = {"sampler": {"use": "uniform", "negatives": 8}}
    built = assemble(load_recipe("clcrec", changes), world(), seed=1, device=torch.device("cpu"), features=spoken())
    optimizer, rng = torch.optim.Adam(built.method.module.parameters(), lr=0.03), generator(2)
    for _ in range(80):
        for batch in built.feed.training(rng):
            optimizer.zero_grad()
            torch.stack(list(built.method.losses(batch, rng).values())).sum().backward()
            optimizer.step()
    users, block = torch.arange(BLOCKS * USERS) // USERS, block_of()
    cold = scores(built)[:, BLOCKS * ITEMS :].topk(COLD).indices + BLOCKS * ITEMS
    assert (block[cold] == users[:, None]).float().mean() > 0.95


@pytest.mark.parametrize("name", ["freedom", "mgcn-style", "content-profile"])
def test_what_compares_vectors_refuses_words_by_name(name: str) -> None:
    with pytest.raises(Refused, match=r"compares vectors, and 'title' is words"):
        assemble(load_recipe(name), world(), seed=1, device=torch.device("cpu"), features=spoken())


def test_decoders_tell_no_words() -> None:
    with pytest.raises(Refused, match="'reconstruct' compares vectors, and 'title' is words"):
        build("objectives", Component(use="reconstruct"), "o", rng=generator(), features=spoken(), dim=4)
