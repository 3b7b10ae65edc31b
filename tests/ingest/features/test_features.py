"""Columns of an item table as vectors: what is missing is a mask, what makes no sense is refused by modality and column."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from recsys_cl.core.build import build, names
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Shape
from recsys_cl.ingest.dataset import load_features
from recsys_cl.ingest.preparing.content import content_of

ITEMS = pa.table(
    {
        "item_id": ["a", "b", "c", "d"],
        "image": pa.array([[1.0, 5.0], [3.0, 5.0], None, [5.0, 5.0]], pa.list_(pa.float32())),
        "title": ["red shoe", "blue shoe", None, "unheard"],
        "about": [None, "red", "blue red", None],
        "kinds": ["shoes red", " ", None, "red"],
        "tags": [["x", "y"], [], None, ["x"]],
        "price": [1.0, 3.0, None, 5.0],
        "told": ["1", "3", "", "5"],
        "nothing": pa.nulls(4, pa.list_(pa.float32())),
        "bag": ["red:2 shoe:1", "red:1", "shoe:3", "12"],
    }
)


def known(use: str, name: str = "m", **arguments: object):
    return read(build("ingest.features", Component(use=use, **arguments), f"prepare.features.{name}", name=name), ITEMS)


def read(reading, items: pa.Table):
    """The items by what is learned of themselves."""
    return reading(items, reading.fit(items))


def test_every_kind_is_tried_here() -> None:
    elsewhere = {"image", "domain", "tokens", "sentences"}  # each in a file of its own
    assert set(names("ingest.features")) == {"vector", "text", "category", "number"} | elsewhere


def test_vectors_have_mean_zero_and_length_one_over_the_items_that_have_them() -> None:
    found = known("vector", column="image")
    assert found.present.tolist() == [True, True, False, True]
    given = found.values[found.present]
    assert given.mean(0) == pytest.approx([0, 0], abs=1e-6)
    assert np.square(given).sum(1).mean() == pytest.approx(1)
    assert known("vector", "image", scale="none").values[3].tolist() == [5, 5]


def test_numbers_come_from_numbers_and_from_texts_that_are_numbers() -> None:
    for column in ("price", "told"):
        found = known("number", column=column)
        assert found.present.tolist() == [True, True, False, True]
        assert found.values[found.present, 0] == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])
    assert known("number", column="price", log=True).values[1, 0] > 0


def test_categories_share_a_vector_of_length_one() -> None:
    found = known("category", column="kinds", separator=" ")
    half = pytest.approx([0.5**0.5, 0.5**0.5])
    assert found.values[0] == half
    assert found.values[3].tolist() == [1, 0]
    assert found.present.tolist() == [True, False, False, True]
    assert known("category", column="tags").present.tolist() == [True, False, False, True]
    assert known("category", column="tags", most=1).values.tolist() == [[1], [0], [0], [1]]


def test_texts_that_share_words_are_near_and_those_without_known_words_are_missing() -> None:
    found = known("text", columns=["title", "about"], dim=8)
    assert found.present.tolist() == [True, True, True, False]
    assert np.linalg.norm(found.values[found.present], axis=1) == pytest.approx([1, 1, 1])
    again = known("text", columns=["title", "about"], dim=8)
    assert (found.values == again.values).all()


def test_bags_of_words_count() -> None:
    found = known("text", columns=["bag"], counts=":")
    assert found.present.tolist() == [True, True, True, False]
    cosines = found.values @ found.values.T
    assert cosines[0, 1] > cosines[2, 1]


BAD = {
    "an unknown column": ("vector", {"column": "imagee"}, r"features\.m: the item table has no column 'imagee'; did you mean 'image'"),
    "empty for every item": ("vector", {"column": "nothing"}, "column 'nothing' is empty for every item"),
    "texts as vectors": ("vector", {"column": "title"}, "column 'title' holds string, not lists of numbers"),
    "words as vectors": ("vector", {"column": "tags"}, "column 'tags' holds .*, not lists of numbers"),
    "words as numbers": ("number", {"column": "title"}, "column 'title' is no column of numbers"),
    "texts without common words": ("text", {"columns": ["item_id"]}, "no two items share a word in item_id"),
    "no bags": ("text", {"columns": ["title"], "counts": ":"}, "no two items share a word in title"),
    "an unknown argument": ("text", {"dims": 3}, "'text' takes no such argument; did you mean 'dim'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_makes_no_sense_is_refused_by_key(name: str) -> None:
    use, arguments, message = BAD[name]
    with pytest.raises(Refused, match=message):
        known(use, **arguments)


def test_a_log_of_a_negative_price_names_the_item() -> None:
    items = ITEMS.set_column(ITEMS.column_names.index("price"), "price", pa.array([1.0, -2.0, None, 3.0]))
    make = build("ingest.features", Component(use="number", log=True), "prepare.features.price", name="price")
    with pytest.raises(Refused, match=r"negative number, -2 of item 'b'"):
        read(make, items)


def written(folder: Path) -> Path:
    pq.write_table(ITEMS, folder / "items.parquet", write_page_checksum=True)
    (folder / "shape.json").write_text(json.dumps({"users": 1, "items": 4}))
    features = {"image": Component(use="vector"), "cost": Component(use="number", column="price")}
    content = content_of(ITEMS["item_id"].combine_chunks(), folder / "items.parquet", features, cold=False)
    pq.write_table(content.vectors, folder / "features.parquet", write_page_checksum=True)
    return folder


def test_what_is_written_comes_back_with_its_mask(tmp_path: Path) -> None:
    found = load_features(written(tmp_path), Shape(1, 4))
    assert [name for name, _ in found] == ["cost", "image"]
    image = found.modalities["image"]
    assert image.present.tolist() == [True, True, False, True]
    assert torch.equal(image.values, torch.from_numpy(known("vector", "image").values))
    assert found.known.tolist() == [True, True, False, True]


def test_no_declaration_no_features(tmp_path: Path) -> None:
    assert load_features(tmp_path, Shape(1, 4)) is None


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([[1.0], [2.0]], r"features\.parquet: 2 rows, where the vocabulary has 4 items"),
        ([[1.0], [float("nan")], None, [2.0]], "finite in every number"),
        ([[1.0], [2.0, 3.0], None, [4.0]], "of one width"),
        ([None, None, None, None], "no table of vectors"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, column: list, message: str) -> None:
    pq.write_table(pa.table({"m": pa.array(column, pa.list_(pa.float32()))}), tmp_path / "features.parquet")
    with pytest.raises(Refused, match=message):
        load_features(tmp_path, Shape(1, 4))
