"""Features stand beside their items or are refused by column, row and item."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.dataset import load_categories
from recsys_cl.ingest.reading.item_table import clean_items, read_items

REAL = Path(os.environ.get("RECSYS_CL_REAL_DATA", "../shared/data"))
NAN, INF = float("nan"), float("inf")
ITEMS = "item_id,title,category,price,image\nb,B,x,1.5,b.jpg\na,A,y,,a.jpg\nb,again,x,1,c.jpg\n"


def saved(ingest, array, name="image.npy"):
    path = ingest.folder / name
    np.save(path, array, allow_pickle=True)
    return path


def test_an_array_beside_the_table_follows_its_rows(ingest):
    saved(ingest, np.arange(6, dtype=np.float64).reshape(3, 2))
    table = read_items(ingest.file("items.csv", ITEMS), {"vision": "image.npy"})
    items, dropped = clean_items(table)
    assert [(row["item_id"], row["image"], row["vision"]) for row in items.to_pylist()] == [
        ("a", "a.jpg", [2, 3]),
        ("b", "b.jpg", [0, 1]),
    ]
    assert dropped["items_repeated"] == 1


def test_an_array_is_part_of_what_decides_the_result(ingest):
    log = ingest.file("log.csv", "user_id,item_id,timestamp\nu,a,1\n")
    saved(ingest, np.zeros((3, 2), np.float32))
    done = ingest("csv", str(log), items=str(ingest.file("items.csv", ITEMS)), item_columns={"vision": "image.npy"})
    assert any(name.endswith("image.npy") for name in done.account["files"])
    assert done.items()["vision"].to_pylist() == [[0, 0], [0, 0]]


ARRAYS = {
    "too few rows": (np.zeros((2, 2)), r"image\.npy: 2 rows, where items\.csv has 3 items"),
    "too many rows": (np.zeros((4, 2)), "4 rows, where items.csv has 3 items"),
    "not a number": (np.array([[0, 0], [0, NAN], [0, 0]]), r"column 'vision', row 1 \(item 'a'\) holds a number that is missing or not finite"),
    "infinite": (np.array([[INF, 0], [0, 0], [0, 0]]), r"row 0 \(item 'b'\)"),
    "overflows in single": (np.array([[1e300, 0], [0, 0], [0, 0]]), r"row 0 \(item 'b'\)"),
    "one dimension": (np.zeros(3), "a matrix of numbers is needed"),
    "three dimensions": (np.zeros((3, 1, 1)), "a matrix of numbers is needed"),
    "no width": (np.zeros((3, 0)), "a matrix of numbers is needed"),
    "text": (np.array([["a"]] * 3), "a matrix of numbers is needed"),
    "complex": (np.zeros((3, 1), complex), "a matrix of numbers is needed"),
    "objects": (np.array([[{}]] * 3, dtype=object), "not a readable array"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_arrays_that_are_refused(ingest, name):
    array, message = ARRAYS[name]
    saved(ingest, array)
    with pytest.raises(Refused, match=message):
        read_items(ingest.file("items.csv", ITEMS), {"vision": "image.npy"})


def test_two_files_of_one_item_are_refused_by_name(ingest):
    for name in ("a.jpg", "b.jpg", "b.png"):
        ingest.file(f"photos/{name}", b"x")
    with pytest.raises(Refused, match=r"photos: b\.jpg and b\.png are both of 'b'; keep one of them"):
        read_items(ingest.file("items.csv", ITEMS), {"photo": "photos/"})


@pytest.mark.parametrize("harm", ["cut", "empty", "text", "absent", "folder"])
def test_files_that_are_no_arrays(ingest, harm):
    path = saved(ingest, np.zeros((3, 2)))
    if harm in ("absent", "folder"):
        path.unlink()
    if harm == "folder":
        path.mkdir()
    if harm in ("cut", "empty", "text"):
        path.write_bytes({"cut": path.read_bytes()[:-5], "empty": b"", "text": b"1,2\n3,4\n"}[harm])
    with pytest.raises(Refused, match=r"image\.npy"):
        read_items(ingest.file("items.csv", ITEMS), {"vision": "image.npy"})


def test_a_name_that_stands_twice(ingest):
    saved(ingest, np.zeros((3, 2)))
    with pytest.raises(Refused, match=r"column 'image' stands here and in image\.npy"):
        read_items(ingest.file("items.csv", ITEMS), {"image": "image.npy"})


COLUMNS = {
    "ragged": (pa.array([[1.0, 2.0], [1.0], [1.0, 2.0]]), r"column 'f', row 1 \(item 'b'\) has another width than 2"),
    "an empty one": (pa.array([[1.0], [], [1.0]]), r"row 1 \(item 'b'\) has another width than 1"),
    "nan within": (pa.array([[1.0], [2.0], [NAN]]), r"row 2 \(item 'c'\) holds a number"),
    "nan within, after a missing one": (pa.array([None, [2.0], [NAN]]), r"row 2 \(item 'c'\) holds a number"),
    "null within": (pa.array([[1.0], [None], [2.0]]), r"row 1 \(item 'b'\) holds a number"),
    "infinite price": (pa.array([1.0, INF, 2.0]), r"column 'f', row 1 \(item 'b'\) is not finite"),
    "price that is no number": (pa.array([1.0, None, NAN]), r"row 2 \(item 'c'\) is not finite"),
    "large lists": (pa.array([[1.0], [1.0, 2.0], [3.0]], pa.large_list(pa.float32())), r"row 1 \(item 'b'\) has another width"),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_are_refused(ingest, name):
    column, message = COLUMNS[name]
    path = ingest.file("items.parquet", pa.table({"item_id": ["a", "b", "c"], "f": column}))
    with pytest.raises(Refused, match=message):
        read_items(path, {})


GOOD = [pa.array([[1.0], None, [2.0]]), pa.array([[1], [2], [3]]), pa.nulls(3), pa.array([None, None, 1.5]), pa.array([["x"], [], ["y", "z"]]), pa.array([[7, 2], [], [7]]), pa.array([[7], None, [7, None]]), pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32(), 2)), pa.array([None] * 3, pa.list_(pa.float32()))]  # fmt: skip


@pytest.mark.parametrize("column", GOOD, ids=lambda column: str(column.type))
def test_columns_that_are_kept(ingest, column):
    table = read_items(ingest.file("items.parquet", pa.table({"item_id": ["a", "b", "c"], "f": column})), {})
    assert table["f"].to_pylist() == column.to_pylist()


def test_deep_json_in_an_item_table_is_refused_by_line(ingest):
    for depth in (400, 900, 5_000, 100_000):
        path = ingest.file("items.jsonl", '{"item_id":"a","x":' + "[" * depth + "]" * depth + "}\n")
        try:
            read_items(path, {})
        except Refused as error:
            assert "line 1: nested too deeply" in str(error)  # noqa: PT017 - shallow nests may be read


def test_mixed_values_become_text(ingest):
    lines = "".join(json.dumps({"item_id": str(n), "x": value}) + "\n" for n, value in enumerate([1, "1", [1], None]))
    assert read_items(ingest.file("items.jsonl", lines), {})["x"].to_pylist() == ["1", "1", "[1]", None]


def test_matrices_alone_are_items_known_by_their_row(ingest):
    saved(ingest, np.arange(6, dtype=np.float16).reshape(3, 2))
    path = saved(ingest, np.ones((3, 1)), "audio.npy")
    table = read_items(path, {"vision": "image.npy", "audio": "audio.npy"})
    assert table.to_pylist()[2] == {"item_id": "2", "vision": [4, 5], "audio": [1]}
    saved(ingest, np.ones((2, 1)), "image.npy")
    with pytest.raises(Refused, match=r"image\.npy: 2 rows, where audio\.npy has 3 items"):
        read_items(path, {"vision": "image.npy"})


def test_lists_of_numbers_of_categories_become_categories(ingest, tmp_path):
    given = pa.table({"item_id": ["a", "b", "c"], "kinds": pa.array([[10, 9], [], [9]])})
    pq.write_table(read_items(ingest.file("items.parquet", given), {}), tmp_path / "items.parquet")
    found = load_categories(tmp_path, "kinds")
    assert [found.row(item).tolist() for item in range(3)] == [[0, 1], [], [1]]


@pytest.mark.skipif(not (REAL / "toys").is_dir(), reason=f"no {REAL}/toys: RECSYS_CL_REAL_DATA says where real data lies")
def test_a_published_item_table_with_lists_of_several_lengths_is_read():
    table = read_items(REAL / "toys" / "items.parquet", {"item_id": "item"})
    assert len(set(pc.list_value_length(table["s3rec_attributes"]).to_pylist())) > 1
