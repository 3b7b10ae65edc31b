"""Small logs for tests of preparing: coded ones in memory, and written ones of the one schema."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from recsys_cl.ingest.preparing.coded_log import PARTS, CodedLog

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=60)
"""(user, item, time) with repeats, ties and gaps."""


def coded(rows, parts=None):
    """A coded log of (user, item, time) rows, sorted by time as coding would; ``parts`` are words, one a row."""
    order = sorted(range(len(rows)), key=lambda row: rows[row][2])
    users, items, times = (np.array([rows[row][column] for row in order], dtype=np.int64) for column in range(3))
    numbers = None
    if parts is not None:
        numbers = np.array([PARTS.index(parts[row]) if parts[row] in PARTS else -1 for row in order], dtype=np.int8)
    ids = [pa.array([str(code) for code in range(max(codes) + 1)]) for codes in (users, items)]
    return CodedLog(users.astype(np.int32), items.astype(np.int32), times, numbers, times, *ids)


def write_log(path, rows, **optional):
    """A log of the one schema from (user text, item text, seconds) rows and optional columns."""
    columns = {
        "user_id": pa.array([row[0] for row in rows], pa.string()),
        "item_id": pa.array([row[1] for row in rows], pa.string()),
        "timestamp": pa.array([row[2] * 1_000_000 for row in rows], pa.int64()).cast(pa.timestamp("us", "UTC")),
        **{name: pa.array(values) for name, values in optional.items()},
    }
    pq.write_table(pa.table(columns), path)
    return path
