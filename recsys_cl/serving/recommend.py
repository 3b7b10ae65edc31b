"""Recommendations for everybody, streamed to Parquet: memory depends on the budget, not on how many ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from recsys_cl.core.errors import Refused
from recsys_cl.serving.answer import table_of, valid_k
from recsys_cl.serving.asked import Asked, ask, remembered
from recsys_cl.serving.askers import read_people
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.filters import NO_FILTERS, Filters
from recsys_cl.serving.ranking import BUDGET, best
from recsys_cl.serving.sink import GROUP, sink

if TYPE_CHECKING:
    import pyarrow

_ROW_BYTES = 250  # of an answer's row while it is made: ids as text, twice, and numbers
_REFUSED_BYTES = 40  # of an item of the catalogue that one user's own list of allowed items keeps out


def recommend_to(
    bundle: Bundle, people: Path | None, k: int, out: Path, filters: Filters = NO_FILTERS, budget: int = BUDGET
) -> dict[str, int]:
    """Write the best ``k`` items of each user to ``out``, the answer of `recommend`, whole or not at all.

    Args:
        bundle: the model.
        people: a file with ``user_id``, ``item_ids`` (histories) or both, see `read_people`; None: all whom the model knows.
        k: length of each list.
        out: ``NAME.parquet``, one file; any other name: a folder of parts, see `sink`. Replaced if it is there.
        filters: the rules of the lists.
        budget: bytes of working memory beside the model.

    Returns:
        ``users`` asked for, ``rows`` written, how many users were ``unknown`` and got the popular items, and how many
        ``unknown_items`` of histories were skipped.

    Raises:
        Refused: ``k``, ``people`` or the budget cannot be used; nothing is written.
        Unavailable: ``out`` cannot be written.
    """
    size = _batch(bundle, valid_k(k, len(bundle.item_ids)), filters, budget)
    counts = {"users": 0, "rows": 0, "unknown": 0, "unknown_items": 0}
    with sink(out) as write:
        for asked in _everybody(bundle, size) if people is None else _listed(bundle, people, size):
            answer = table_of(bundle, asked, best(bundle, asked, k, filters, budget // 2))
            write(answer if asked.unknown is None else _renumbered(answer, counts["users"]))
            counts["users"] += len(asked.ids)
            counts["rows"] += answer.num_rows
            counts["unknown"] += int((asked.source == 0).sum())
            counts["unknown_items"] += 0 if asked.unknown is None else int(asked.unknown.sum())
        if not counts["users"]:
            raise Refused(f"{people}: no users")
    return counts


def _batch(bundle: Bundle, k: int, filters: Filters, budget: int) -> int:
    """How many users at once: half of the budget is for ranking, a quarter for their lists."""
    size = min(GROUP, budget // 4 // _ROW_BYTES) // k
    if any(choice.allowed is not None for choice in filters.personal.values()):
        size = min(size, budget // 4 // (_REFUSED_BYTES * len(bundle.item_ids)))
    return max(1, size)


def _everybody(bundle: Bundle, size: int) -> Iterator[Asked]:
    for rows in torch.split(torch.arange(len(bundle.user_ids)), size):
        yield remembered(bundle, rows)


def _listed(bundle: Bundle, people: Path, size: int) -> Iterator[Asked]:
    for batch in read_people(people, size):
        yield ask(bundle, batch.ids, batch.histories)


def _renumbered(answer: pyarrow.Table, before: int) -> pyarrow.Table:
    """Rows counted from the beginning of the file, not of the batch."""
    from pyarrow import compute

    place = answer.schema.get_field_index("row")
    return answer.set_column(place, "row", compute.add(answer["row"], before))
