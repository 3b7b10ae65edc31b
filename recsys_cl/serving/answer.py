"""Questions a bundle answers: what should these users get, and which items are alike."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.values import Ragged
from recsys_cl.ops.topk import top_k
from recsys_cl.serving.bundle import Bundle

if TYPE_CHECKING:
    import pandas
    import pyarrow

PERSONAL = "personal"
POPULAR = "popular"
DEFAULT_K = 10

_LONGEST_ID = 1024  # bytes; ingestion takes no longer ids, so a longer one is a mistake
_MOST_ROWS = 20_000_000  # of one answer; more are asked for in parts


def recommend(bundle: Bundle, users: Iterable[object], k: int) -> pyarrow.Table:
    """The best ``k`` items of each user in ``users``, in that order, exactly.

    A user the model does not know gets the most popular items, with their counts as scores. Lists are shorter than ``k``
    where a user has met nearly everything.

    Returns:
        One row per user and rank: ``user_id``, ``rank`` (from 1), ``item_id``, ``score``, ``source`` (personal | popular).

    Raises:
        Refused: ``k`` or an id cannot be used.
    """
    import pyarrow as pa

    ids = [id_text(user) for user in users]
    k = valid_k(k, len(bundle.item_ids))
    if len(ids) * k > _MOST_ROWS:
        raise Refused(f"{len(ids)} users x {k} items are more than {_MOST_ROWS} rows at once; ask in parts, or in batch")
    rows = _places(bundle.user_ids, ids)
    items, scores = _rank(bundle, rows, k)
    kept = items >= 0
    asked, place = (axis.numpy() for axis in kept.nonzero(as_tuple=True))
    return pa.table(
        {
            "user_id": pa.array(ids, pa.string()).take(pa.array(asked)),
            "rank": pa.array(place + 1, pa.int32()),
            "item_id": bundle.item_ids.take(pa.array(items[kept].numpy())),
            "score": pa.array(scores[kept].numpy(), pa.float32()),
            "source": pa.array([POPULAR, PERSONAL]).take(pa.array((rows >= 0).numpy().astype("int8")[asked])),
        }
    )


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


def id_text(value: object, name: str = "user_id") -> str:
    """An id as text: text is taken as it is, whole numbers become their decimal digits.

    Raises:
        Refused: it is neither, or empty, or longer than any id can be.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        value = str(int(value))
    if not isinstance(value, str):
        raise Refused(f"{name} must be text or a whole number, not {type(value).__name__}")
    if not value or len(value.encode(errors="surrogatepass")) > _LONGEST_ID:
        raise Refused(f"{name} must have 1 to {_LONGEST_ID} bytes, not {len(value)}")
    return value


def _rank(bundle: Bundle, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Items and scores [n, k]: personal where a row is in the vocabulary, popular where it is -1."""
    known = rows >= 0
    mine = rows[known]
    top = top_k(bundle.users[mine], bundle.items, k, exclude=_take(bundle.seen, mine) if bundle.exclude_seen else None)
    if known.all():
        return top.items, top.scores  # ordering the catalogue by popularity would cost more than the answer
    popular = bundle.popular[:k]
    items = popular.expand(len(rows), k).clone()
    scores = bundle.counts[popular].float().expand(len(rows), k).clone()
    items[known], scores[known] = top.items, top.scores
    return items, scores


def _take(ragged: Ragged, rows: Tensor) -> Ragged:
    """Some rows of ``ragged``, in the order asked for."""
    lengths = ragged.lengths[rows]
    offsets = torch.cat((lengths.new_zeros(1), lengths.cumsum(0)))
    shift = (ragged.offsets[rows] - offsets[:-1]).repeat_interleave(lengths)
    return Ragged(ragged.values[torch.arange(int(offsets[-1])) + shift], offsets)


def _places(vocabulary: pandas.Index, ids: list[str]) -> Tensor:
    """Where each of ``ids`` stands in the vocabulary, [n]; -1 where it does not."""
    import pandas

    return torch.from_numpy(vocabulary.get_indexer(pandas.Index(ids, dtype=vocabulary.dtype)))


def _item_rows(bundle: Bundle, ids: list[str]) -> Tensor:
    import pandas

    rows = _places(pandas.Index(bundle.item_ids.to_pandas()), ids)
    for item, row in zip(ids, rows.tolist(), strict=True):
        if row < 0:
            raise Refused(f"the model knows no item '{item[:40]}'; {_hint(item, bundle)}")
    return rows


def _hint(item: str, bundle: Bundle) -> str:
    some = bundle.item_ids.slice(0, 1000).to_pylist()
    hint = nearest(item, some)
    return hint if hint.startswith("did") else f"its items are called like '{some[0]}'"
