"""A registered model answers with items that came after training: by their content, as preparation would have read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from recsys_cl.config import load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Fold, Interactions, Shape
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.ingest.dataset import load_features
from recsys_cl.ingest.preparing.content import content_of
from recsys_cl.serving.answer import recommend
from recsys_cl.serving.bundle import Bundle, assemble, read_bundle, write_bundle
from recsys_cl.serving.new_items import new_items_from, new_items_in, with_new_items
from recsys_cl.serving.newcomers import newcomers_of
from recsys_cl.serving.reader import ByRule
from recsys_cl.stages.assemble import assemble as assemble_recipe
from recsys_cl.training.weights import save_weights

FEATURES = {
    "image": Component(use="vector"),
    "about": Component(use="text", dim=3),
    "price": Component.model_validate({"use": "number", "log": True}),
    "genre": Component(use="category"),
}
MET, ALL = 12, 16
ITEMS = pa.table(
    {
        "item_id": [f"i{number:02}" for number in range(ALL)],
        "title": [f"Item {number}" for number in range(ALL)],
        "image": pa.array(
            [None if number == 14 else [float(number), number % 3] for number in range(ALL)], pa.list_(pa.float32())
        ),
        "about": [None if number == 14 else f"word{number % 4} word{number % 5} alike" for number in range(ALL)],
        "price": [None if number in (3, 14) else float(number) for number in range(ALL)],
        "genre": [None if number == 14 else f"g{number % 3}" for number in range(ALL)],
    }
)
RECIPES = ["vbpr", "clcrec", "mmgcl", "content-profile"]


def made(name: str, folder: Path) -> tuple[Bundle, torch.Tensor]:
    """A bundle of the items that were met, and the vectors that a model of all items would have."""
    folder.mkdir()
    users = torch.arange(5).repeat_interleave(6)
    met = torch.arange(30) % MET
    pq.write_table(ITEMS, folder / "items.parquet", write_page_checksum=True)
    content = content_of(ITEMS["item_id"][:MET].combine_chunks(), folder / "items.parquet", FEATURES, cold=True)
    assert len(content.item_ids) == ALL - 1, "item 14 has no content"
    pq.write_table(content.vectors, folder / "features.parquet", write_page_checksum=True)
    pq.write_table(content.learned, folder / "learned.parquet", write_page_checksum=True)
    known = Interactions(Shape(5, ALL - 1), users, met, torch.zeros_like(users))
    recipe = load_recipe(name)
    whole = assemble_recipe(recipe, known, 1, torch.device("cpu"), load_features(folder, known.shape))
    save_weights(whole.method.module, folder / "weights.safetensors")
    vectors = encode_all(whole.method, whole.feed, torch.arange(5))
    people = pd.DataFrame({"user_id": [f"u{number}" for number in range(5)]})
    things = pd.DataFrame({"item_id": content.item_ids.to_pandas()[:MET], "title": [f"Item {number}" for number in range(MET)]})
    few = Interactions(Shape(5, MET), users, met, torch.zeros_like(users))
    meta = {"recipe": recipe.model_dump(mode="json"), "name": name}
    bundle = assemble(people, things, {"users": vectors.users, "items": vectors.items[:MET]}, few, meta)
    return replace(bundle, newcomers=newcomers_of(meta["recipe"], folder, folder / "weights.safetensors")), vectors.items


@pytest.mark.parametrize("name", RECIPES)
def test_a_new_item_is_what_it_would_have_been_in_the_catalogue(name: str, tmp_path: Path) -> None:
    bundle, expected = made(name, tmp_path / "a")
    write_bundle(bundle, tmp_path / "bundle")
    grown, counts = with_new_items(read_bundle(tmp_path / "bundle"), ITEMS)
    assert counts == {"new": 3, "known": MET, "without_content": 1}
    assert grown.item_ids.to_pylist() == [f"i{number:02}" for number in (*range(MET), 12, 13, 15)]
    assert torch.allclose(grown.items, expected.float(), atol=1e-6)
    assert grown.about["title"].to_pylist()[-1] == "Item 15"
    answer = recommend(grown, ["u0"], len(grown.item_ids)).to_pandas()
    assert {"i12", "i13", "i15"} < set(answer["item_id"])
    assert recommend(grown, ["nobody"], MET).equals(recommend(bundle, ["nobody"], MET)), "the popular are those that were met"


def test_a_history_of_new_items_alone_says_nothing_to_a_rule(tmp_path: Path) -> None:
    bundle, _ = made("content-profile", tmp_path / "a")
    ruled = replace(bundle, reader=ByRule(Fold(bundle.items, 1.0)))
    grown, _ = with_new_items(ruled, ITEMS)
    answer = recommend(grown, [None, "u0", None], 3, [["i12"], ["i12"], ["i12", "i01"]])
    assert answer["source"].to_pylist() == ["popular"] * 3 + ["personal"] * 3 + ["folded"] * 3
    assert answer.slice(0, 3)["item_id"].equals(recommend(bundle, ["nobody"], 3)["item_id"])
    assert "i12" not in answer.slice(6)["item_id"].to_pylist(), "and yet it was met"


def test_one_item_at_a_time_or_all_together(tmp_path: Path) -> None:
    bundle, _ = made("clcrec", tmp_path / "a")
    together, _ = with_new_items(bundle, ITEMS)
    one, counts = with_new_items(bundle, ITEMS.slice(15, 1))
    assert counts == {"new": 1, "known": 0, "without_content": 0}
    assert torch.allclose(one.items[-1], together.items[-1], rtol=0, atol=1e-6)
    same, counts = with_new_items(bundle, ITEMS.slice(0, 5))
    assert same is bundle
    assert counts["known"] == 5


def test_less_may_be_known_of_new_items(tmp_path: Path) -> None:
    bundle, _ = made("clcrec", tmp_path / "a")
    grown, counts = with_new_items(bundle, pa.table({"item_id": ["x", "y"], "price": [3.0, None]}))
    assert counts == {"new": 1, "known": 0, "without_content": 1}
    assert grown.about["title"].to_pylist()[-1] is None


def test_they_come_from_a_file_or_from_json(tmp_path: Path) -> None:
    pq.write_table(ITEMS, tmp_path / "items.parquet")
    assert new_items_from(tmp_path / "items.parquet").num_rows == ALL
    rows = json.dumps([{"item_id": "x", "image": [1.0, 2.0]}, {"item_id": 7, "image": None}])
    assert new_items_in(rows)["item_id"].to_pylist() == ["7", "x"]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "[1]", "[{}]", '[{"item_id": {}}]', "[" * 100_000, f'[{{"item_id": "x", "price": {2**70}}}]']
)
def test_what_is_no_list_of_items_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="new_items"):
        new_items_in(text)


def test_bad_content_is_refused_by_name(tmp_path: Path) -> None:
    bundle, _ = made("clcrec", tmp_path / "a")
    for column, message in (([[1.0]], "vectors of 2 numbers, found widths"), ([[1.0, float("nan")]], "not finite")):
        with pytest.raises(Refused, match=f"features.image.*{message}"):
            with_new_items(bundle, pa.table({"item_id": ["x"], "image": pa.array(column, pa.list_(pa.float32()))}))


def test_a_model_of_ids_alone_refuses(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not by their content"):
        with_new_items(bundle, ITEMS)
    made("clcrec", tmp_path / "a")
    recipe = load_recipe("lightgcn").model_dump(mode="json")
    assert newcomers_of(recipe, tmp_path / "a", tmp_path / "a" / "weights.safetensors") is None
