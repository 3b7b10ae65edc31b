"""Ids are numbered by rank, however the rows are cut into batches and whenever the batches are merged."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from recsys_cl.ingest.preparing import ids


@pytest.mark.parametrize("waiting", [0, 3, 1 << 21])
@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_codes_are_ranks_in_byte_order(monkeypatch, waiting, batch):
    monkeypatch.setattr(ids, "_RECENT", waiting)
    chance = random.Random(batch)
    rows = [chance.choice(["b", "a", "B", "é", "e\u0301", "10", "9", " a", "😀", "\uffff"]) for _ in range(60)]
    column = ids.Ids()
    for begin in range(0, len(rows), batch):
        column.add(pa.array(rows[begin : begin + batch]))
    known, batches = column.ranked()
    assert known.to_pylist() == sorted(set(rows), key=str.encode)
    assert [known[code].as_py() for codes in batches for code in codes] == rows


def test_no_rows_have_no_ids():
    known, batches = ids.Ids().ranked()
    assert (len(known), batches) == (0, [])
