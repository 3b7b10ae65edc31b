"""Recommendations for everybody, streamed to one Parquet file: memory depends on the batch, not on how many ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import atomic_write
from recsys_cl.serving.answer import recommend, valid_k
from recsys_cl.serving.asked import POPULAR
from recsys_cl.serving.askers import People, read_people
from recsys_cl.serving.bundle import Bundle

if TYPE_CHECKING:
    import pyarrow

_ROWS = 400_000  # of one row group


def recommend_to(bundle: Bundle, people: Path | None, k: int, out: Path) -> dict[str, int]:
    """Write the best ``k`` items of each user to ``out``, the answer of `recommend`, in one row group a batch.

    The file appears whole or not at all.

    Args:
        bundle: the model.
        people: a file with ``user_id``, ``item_ids`` (histories) or both, see `read_people`; None: all whom the model knows.
        k: length of each list.
        out: the Parquet file to write; replaced if it is there.

    Returns:
        ``users`` asked for, ``rows`` written, how many users were ``unknown`` and got the popular items, and how many
        ``unknown_items`` of histories were skipped.

    Raises:
        Refused: ``k`` or ``people`` cannot be used; nothing is written.
        Unavailable: ``out`` cannot be written.
    """
    from pyarrow import compute, parquet

    size = max(1, _ROWS // valid_k(k, len(bundle.item_ids)))
    counts = {"users": 0, "rows": 0, "unknown": 0, "unknown_items": 0}
    writer: parquet.ParquetWriter | None = None
    with atomic_write(out) as stream, ExitStack() as opened:
        for batch in _everybody(bundle, size) if people is None else read_people(people, size):
            answer = recommend(bundle, batch.ids, k, batch.histories)
            if batch.histories is not None:
                _count_unknown(answer, counts)
                answer = _renumbered(answer, counts["users"])
            if writer is None:
                writer = opened.enter_context(parquet.ParquetWriter(stream, answer.schema, write_page_checksum=True))
            writer.write_table(answer, row_group_size=_ROWS)
            counts["users"] += len(batch.ids)
            counts["rows"] += answer.num_rows
            counts["unknown"] += (compute.sum(compute.equal(answer["source"], POPULAR)).as_py() or 0) // k
        if writer is None:
            raise Refused(f"{people}: no users")
    return counts


def _everybody(bundle: Bundle, size: int) -> Iterator[People]:
    for start in range(0, len(bundle.user_ids), size):
        yield People(tuple(bundle.user_ids[start : start + size].tolist()), None)


def _renumbered(answer: pyarrow.Table, before: int) -> pyarrow.Table:
    """Rows counted from the beginning of the file, not of the batch."""
    from pyarrow import compute

    place = answer.schema.get_field_index("row")
    return answer.set_column(place, "row", compute.add(answer["row"], before))


def _count_unknown(answer: pyarrow.Table, counts: dict[str, int]) -> None:
    from pyarrow import compute

    first = answer.filter(compute.equal(answer["rank"], 1))  # once for each who asked
    counts["unknown_items"] += compute.sum(first["unknown_items"]).as_py() or 0
