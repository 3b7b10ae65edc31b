"""Item tables of three formats become one: text ids, each once, in order."""

from __future__ import annotations

import pyarrow as pa
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.item_table import clean_items, read_items

TABLES = {
    "items.csv": 'sku;name;genres\n10;"Ten; or so";a\n9;Nine;\n',
    "items.jsonl": '{"sku":"10","name":"Ten; or so","genres":"a"}\n{"sku":"9","name":"Nine","genres":""}\n',
    "items.parquet": pa.table({"sku": [10, 9], "name": ["Ten; or so", "Nine"], "genres": ["a", ""]}),
}


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_renamed_and_ids_are_text(ingest, name):
    table = read_items(ingest.file(name, TABLES[name]), {"item_id": "sku", "title": "name", "category": "genres"})
    items, dropped = clean_items(table)
    assert items.to_pylist() == [
        {"item_id": "10", "title": "Ten; or so", "category": "a"},
        {"item_id": "9", "title": "Nine", "category": ""},
    ]
    assert dropped == {"items_bad": 0, "items_repeated": 0}


def test_features_keep_their_type(ingest):
    path = ingest.file("items.jsonl", '{"item_id":"a","image":[0.5,1.0],"price":2}\n{"item_id":"b","image":null,"price":2.5}\n')
    table = read_items(path, {})
    assert table["image"].to_pylist() == [[0.5, 1.0], None]
    assert table["price"].to_pylist() == [2.0, 2.5]


def test_bad_and_repeated_ids_are_dropped_and_counted():
    table = pa.table({"item_id": ["b", "", None, "a", "b", "x\n", "é" * 513], "title": list("1234567")})
    items, dropped = clean_items(table)
    assert items.to_pylist() == [{"item_id": "a", "title": "4"}, {"item_id": "b", "title": "1"}]
    assert dropped == {"items_bad": 4, "items_repeated": 1}


@pytest.mark.parametrize(
    ("name", "content", "columns", "message"),
    [
        ("items.xlsx", "x", {}, "a table of items ends in"),
        ("items.csv", "sku,name\n1,2\n", {}, "no column 'item_id'"),
        ("items.csv", "item_id,name\n1,2\n", {"title": "nam"}, r"no column 'nam' \(for title\); did you mean 'name'\?"),
        ("items.csv", "item_id,name,title\n1,2,3\n", {"title": "name"}, "column 'title' stands 2 times"),
        ("items.csv", "item_id,name\n1,2\n3\n4,5\n", {}, "line 3: 1 fields where the header has 2"),
        ("items.jsonl", '{"item_id":"a"}\n{\n{"item_id":"b"}\n', {}, "line 2: not JSON"),
        ("items.jsonl", '{"item_id":"\\ud800"}\n', {}, "line 1: a lone surrogate"),
        ("items.parquet", pa.table({"item_id": [1.5]}), {}, "item_id is of type double"),
    ],
)
def test_tables_that_are_refused(ingest, name, content, columns, message):
    with pytest.raises(Refused, match=message):
        read_items(ingest.file(name, content), columns)
