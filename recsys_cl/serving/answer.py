"""Questions a bundle answers: what should these people get, and which items are alike."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.values import Ragged
from recsys_cl.ops.topk import Top, top_k
from recsys_cl.serving.asked import SOURCES, Asked, ask, id_text, places
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.filters import NO_FILTERS, Filters
from recsys_cl.serving.ranking import best

if TYPE_CHECKING:
    import pandas
    import pyarrow

DEFAULT_K = 10

_MOST_ROWS = 20_000_000  # of one answer; more are asked for in parts


def recommend(
    bundle: Bundle,
    users: Iterable[object],
    k: int,
    histories: Iterable[Iterable[object] | None] | None = None,
    filters: Filters = NO_FILTERS,
) -> pyarrow.Table:
    """The best ``k`` items of each user in ``users``, in that order, exactly.

    A user the model does not know gets the most popular items, with their counts as scores. Lists are shorter than ``k``
    where there are no more items that the user has not met and ``filters`` let through.

    Args:
        bundle: the model.
        users: ids; None where only a history is known.
        k: length of each list.
        histories: for each of ``users`` the items met, oldest first, or None. Where there is one that the model can read,
            it is what counts, and not what the model remembers of the user; items it does not know are skipped and counted.
        filters: the rules of the lists, see `recsys_cl.serving.rules`.

    Returns:
        One row per user and rank: ``user_id``, ``rank`` (from 1), ``item_id``, ``score``, ``source`` (personal | history |
        folded | popular); with ``histories`` also ``row`` (which of ``users``, from 0), ``unknown_items`` (how many were
        skipped) and ``steps`` (how many it took to adapt to the history) where the model does so.

    Raises:
        Refused: ``k``, an id or a history cannot be used.
    """
    asked = ask(bundle, users, histories)
    k = valid_k(k, len(bundle.item_ids))
    if len(asked.ids) * k > _MOST_ROWS:
        raise Refused(f"{len(asked.ids)} users x {k} items are more than {_MOST_ROWS} rows at once; ask in parts, or in batch")
    return table_of(bundle, asked, best(bundle, asked, k, filters))


def table_of(bundle: Bundle, asked: Asked, top: Top) -> pyarrow.Table:
    """Lists as rows, see `recommend`."""
    import pyarrow as pa

    kept = top.items >= 0
    row, place = (axis.numpy() for axis in kept.nonzero(as_tuple=True))
    table = pa.table(
        {
            "user_id": pa.array(asked.ids, pa.string()).take(pa.array(row)),
            "rank": pa.array(place + 1, pa.int32()),
            "item_id": bundle.item_ids.take(pa.array(top.items[kept].numpy())),
            "score": pa.array(top.scores[kept].numpy(), pa.float32()),
            "source": pa.array(SOURCES).take(pa.array(asked.source.numpy()[row])),
        }
    )
    if asked.unknown is None:
        return table
    counted = pa.array(asked.unknown.numpy()[row], pa.int32())
    table = table.append_column("row", pa.array(row, pa.int64())).append_column("unknown_items", counted)
    if asked.steps is None:
        return table
    return table.append_column("steps", pa.array(asked.steps.numpy()[row], pa.int32()))


def frame_of(table: pyarrow.Table) -> pandas.DataFrame:
    """Rows as pandas; who has no id is None and not NaN, which JSON does not know."""
    frame: pandas.DataFrame = table.to_pandas()
    if not table["user_id"].null_count:
        return frame
    ids = frame["user_id"].astype(object)
    return frame.assign(user_id=ids.where(ids.notna(), None))


def similar(bundle: Bundle, items: Iterable[object], k: int) -> pyarrow.Table:
    """The ``k`` items most like each of ``items`` by the cosine of their vectors; an item is never its own answer.

    Returns:
        One row per item and rank: ``item_id``, ``rank``, ``similar_item_id``, ``score`` (cosine).

    Raises:
        Refused: ``k`` cannot be used, or the model does not know an item.
    """
    import pyarrow as pa

    ids = [id_text(item, "item_id") for item in items]
    k = valid_k(k, len(bundle.item_ids) - 1, "the catalogue without the item itself")
    rows = _item_rows(bundle, ids)
    vectors = normalize(bundle.items)
    top = top_k(vectors[rows], vectors, k, exclude=Ragged(rows, torch.arange(len(ids) + 1)))
    return pa.table(
        {
            "item_id": pa.array(ids, pa.string()).take(pa.array(torch.arange(len(ids)).repeat_interleave(k).numpy())),
            "rank": pa.array(torch.arange(1, k + 1).repeat(len(ids)).numpy(), pa.int32()),
            "similar_item_id": bundle.item_ids.take(pa.array(top.items.flatten().numpy())),
            "score": pa.array(top.scores.flatten().numpy(), pa.float32()),
        }
    )


def valid_k(k: object, most: int, what: str = "the catalogue") -> int:
    """``k`` itself, when a list of that length can be made."""
    if isinstance(k, bool) or not isinstance(k, Integral) or not 1 <= int(k) <= most:
        raise Refused(f"k must be a whole number from 1 to {most} ({what}), not {str(k)[:40]}")
    return int(k)


def _item_rows(bundle: Bundle, ids: list[str]) -> Tensor:
    rows = places(bundle.item_index, ids)
    for item, row in zip(ids, rows.tolist(), strict=True):
        if row < 0:
            raise Refused(no_item(bundle, item))
    return rows


def no_item(bundle: Bundle, item: str) -> str:
    """What to say of an item that is not in the catalogue: the nearest that is."""
    some = bundle.item_ids.slice(0, 1000).to_pylist()
    hint = nearest(item[:40], some)
    called = hint if hint.startswith("did") else f"its items are called like '{some[0]}'"
    return f"the model knows no item '{item[:40]}'; {called}"
