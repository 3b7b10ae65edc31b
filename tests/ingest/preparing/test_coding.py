"""What comes from an engine is held column by column, and put where its rows stand, however batches come."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from recsys_cl.ingest.engine import ROW
from recsys_cl.ingest.preparing.coding import _as_logged, _pieces


def batch(rows: list[int]) -> pa.RecordBatch:
    times = pa.array([10 * row for row in rows], pa.timestamp("us", "UTC"))
    return pa.RecordBatch.from_pydict({"timestamp": times, ROW: pa.array(rows, pa.int64()), "value": [row / 2 for row in rows]})


def test_no_column_keeps_its_batch_alive() -> None:
    """A view of the times would keep the ids of its batch, too: at a hundred million rows three gigabytes."""
    found = _pieces(iter([batch([0, 1]), batch([2])]))
    assert all(piece.flags.owndata for pieces in found.values() for piece in pieces)
    assert [piece.tolist() for piece in found["timestamp"]] == [[0, 10], [20]]
    assert [piece.dtype for piece in found[ROW]] == [np.uint32, np.uint32]


def test_places_beyond_32_bits() -> None:
    (places,) = _pieces(iter([batch([1 << 40])]))[ROW]
    assert places.tolist() == [1 << 40]


@pytest.mark.parametrize("rows", [[[0, 1, 2, 3]], [[3, 0], [2, 1]], [[5], [2, 9], [7]]])
def test_rows_stand_in_the_order_of_their_places(rows: list[list[int]]) -> None:
    pieces = _pieces(batch(each) for each in rows)
    columns = _as_logged(pieces, pieces.pop(ROW))
    assert columns["timestamp"].tolist() == [10 * row for row in sorted(row for each in rows for row in each)]
    assert pieces == {}, "pieces are let go of"
