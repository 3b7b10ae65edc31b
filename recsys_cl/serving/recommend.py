"""Recommendations for everybody, streamed to one Parquet file: memory depends on the batch, not on how many ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import atomic_write
from recsys_cl.serving.answer import POPULAR, recommend, valid_k
from recsys_cl.serving.askers import read_users
from recsys_cl.serving.bundle import Bundle

_ROWS = 400_000  # of one row group


def recommend_to(bundle: Bundle, users: Path | None, k: int, out: Path) -> dict[str, int]:
    """Write the best ``k`` items of each user to ``out``, the answer of `recommend`, in one row group a batch.

    The file appears whole or not at all.

    Args:
        bundle: the model.
        users: a file with a ``user_id`` column (CSV, JSON lines, Parquet); None: everybody the model knows.
        k: length of each list.
        out: the Parquet file to write; replaced if it is there.

    Returns:
        ``users`` asked for, ``rows`` written, and how many users were ``unknown`` and got the popular items.

    Raises:
        Refused: ``k`` or ``users`` cannot be used; nothing is written.
        Unavailable: ``out`` cannot be written.
    """
    from pyarrow import compute, parquet

    size = max(1, _ROWS // valid_k(k, len(bundle.item_ids)))
    schema = recommend(bundle, [], k).schema
    counts = {"users": 0, "rows": 0, "unknown": 0}
    with atomic_write(out) as stream, parquet.ParquetWriter(stream, schema, write_page_checksum=True) as writer:
        for batch in _everybody(bundle, size) if users is None else read_users(users, size):
            answer = recommend(bundle, batch, k)
            writer.write_table(answer, row_group_size=_ROWS)
            counts["users"] += len(batch)
            counts["rows"] += answer.num_rows
            counts["unknown"] += compute.sum(compute.equal(answer["source"], POPULAR)).as_py() // k if answer.num_rows else 0
        if users is not None and not counts["users"]:
            raise Refused(f"{users}: no users")
    return counts


def _everybody(bundle: Bundle, size: int) -> Iterator[list[str]]:
    for start in range(0, len(bundle.user_ids), size):
        yield bundle.user_ids[start : start + size].tolist()
