"""The loaders: order and ids as written, unknown users dropped, unknown items kept, damage noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Shape
from recsys_cl.ingest.dataset import load_categories, load_interactions, load_items, load_shape, load_users

SHAPE = Shape(users=2, items=3)


def write_part(path: Path, users: list[int], items: list[int]) -> Path:
    columns = {
        "user": pa.array(users, pa.int32()),
        "item": pa.array(items, pa.int32()),
        "timestamp": pa.array(range(len(users)), pa.int64()),
    }
    pq.write_table(pa.table(columns), path, write_page_checksum=True, use_dictionary=False)
    return path


def write_vocabulary(folder: Path) -> Path:
    folder.mkdir()
    pq.write_table(pa.table({"user_id": ["a", "b"]}), folder / "users.parquet")
    pq.write_table(pa.table({"item_id": ["x", "y", "z"], "title": ["X", None, "Z"]}), folder / "items.parquet")
    (folder / "shape.json").write_text(json.dumps({"users": 2, "items": 3}))
    return folder


def test_rows_come_in_file_order_as_int64(tmp_path):
    part = load_interactions(write_part(tmp_path / "train.parquet", [1, 0, 1], [2, 0, 1]), SHAPE)
    assert part.users.tolist() == [1, 0, 1]
    assert part.items.tolist() == [2, 0, 1]
    assert part.times.tolist() == [0, 1, 2]
    assert {part.users.dtype, part.items.dtype, part.times.dtype} == {torch.int64}


def test_unknown_users_go_and_unknown_items_stay(tmp_path):
    part = load_interactions(write_part(tmp_path / "test.parquet", [0, 2, 1], [3, 0, 1]), SHAPE)
    assert part.users.tolist() == [0, 1]
    assert part.items.tolist() == [3, 1]


def test_tensors_may_be_written(tmp_path):
    part = load_interactions(write_part(tmp_path / "train.parquet", [1, 0], [2, 0]), SHAPE)
    part.items[0] = 1  # a view of Arrow's memory would have warned on creation
    assert part.items.tolist() == [1, 0]


def test_empty_part(tmp_path):
    assert len(load_interactions(write_part(tmp_path / "test.parquet", [], []), SHAPE)) == 0


@pytest.mark.parametrize(("users", "items"), [([3], [0]), ([0], [4]), ([-1], [0]), ([0], [-1])])
def test_ids_beyond_the_vocabulary_are_refused(tmp_path, users, items):
    with pytest.raises(Refused, match="outside the vocabulary"):
        load_interactions(write_part(tmp_path / "test.parquet", users, items), SHAPE)


def test_a_flipped_bit_is_refused(tmp_path):
    path = write_part(tmp_path / "train.parquet", list(range(2)) * 500, [0] * 1000)
    column = pq.ParquetFile(path).metadata.row_group(0).column(2)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Refused, match=r"train\.parquet"):
        load_interactions(path, SHAPE)


def test_a_missing_part_is_refused(tmp_path):
    with pytest.raises(Refused, match=r"none\.parquet"):
        load_interactions(tmp_path / "none.parquet", SHAPE)


def test_vocabulary_tables_keep_id_order(tmp_path):
    folder = write_vocabulary(tmp_path / "vocabulary")
    assert load_shape(folder) == SHAPE
    assert load_users(folder)["user_id"].tolist() == ["a", "b"]
    items = load_items(folder)
    assert items["item_id"].tolist() == ["x", "y", "z"]
    assert items["title"].isna().tolist() == [False, True, False]


def test_a_broken_shape_is_refused(tmp_path):
    (tmp_path / "shape.json").write_text("{")
    with pytest.raises(Refused, match=r"shape\.json"):
        load_shape(tmp_path)


@pytest.mark.parametrize(
    ("values", "separator", "expected"),
    [
        (["b", None, "a", "", "b"], "", [[1], [], [0], [], [1]]),
        (["Comedy Drama", "Drama  Comedy", None, "War", "War War"], " ", [[0, 1], [0, 1], [], [2], [2]]),
        ([["x", "y"], [], None, ["y", None], ["x"]], "", [[0, 1], [], [], [1], [0]]),
        ([None] * 5, " ", [[]] * 5),
        ([3, 3, None, 10, 3], "", [[1], [1], [], [0], [1]]),
    ],
)
def test_categories_are_numbered_by_name(tmp_path, values, separator, expected):
    column = pa.array(values, pa.string()) if values[0] is None else pa.array(values)
    pq.write_table(pa.table({"item_id": list("vwxyz"), "kind": column}), tmp_path / "items.parquet")
    found = load_categories(tmp_path, "kind", separator)
    assert [found.row(item).tolist() for item in range(5)] == expected
    assert load_categories(tmp_path, "category") is None
