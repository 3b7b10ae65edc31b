"""Who asks: ids looked up, histories read, and for everybody the vector and the items to leave out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Ragged
from recsys_cl.ops.ragged import offsets_of, owners, take
from recsys_cl.serving.bundle import Bundle

if TYPE_CHECKING:
    import pandas

POPULAR, PERSONAL, HISTORY, FOLDED = SOURCES = ("popular", "personal", "history", "folded")
"""Where an answer comes from: everybody's favourites, what the model remembers of the user, the history in the question as
the encoder reads it, or that history folded in by a rule (see `recsys_cl.core.values.Fold`), as graph recipes do."""

_LONGEST_ID = 1024  # bytes; ingestion takes no longer ids, so a longer one is a mistake
_LONGEST_HISTORY = 10_000  # items; the newest are what a model reads, and this is more than any reads


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """People with a question, n in all; m of them are not answered with what is popular."""

    ids: Sequence[str | None]  # [n]
    source: Tensor  # [n] int64, a place in SOURCES
    vectors: Tensor  # [m, D]
    seen: Ragged  # m rows: what they have met
    unknown: Tensor | None  # [n] items of each history that the model does not know; None: histories were not given
    steps: Tensor | None = None  # [n] gradient steps taken to know each; None: the model adapts to nobody


def remembered(bundle: Bundle, rows: Tensor) -> Asked:
    """Users [n] of the vocabulary ask."""
    ids = bundle.user_ids[rows.numpy()].tolist()
    return Asked(ids, torch.full_like(rows, SOURCES.index(PERSONAL)), bundle.users[rows], take(bundle.seen, rows), None)


def ask(bundle: Bundle, users: Iterable[object], histories: Iterable[Iterable[object] | None] | None) -> Asked:
    """Look everybody up.

    Raises:
        Refused: somebody has neither an id nor a history, or one that cannot be used, or there are more users than histories
            or fewer.
    """
    people, pasts = list(users), None if histories is None else list(histories)
    if pasts is not None and len(pasts) != len(people):
        raise Refused(f"{len(people)} users and {len(pasts)} histories; each user needs one, or a null")
    told = [
        who(user, past, f"asker {place}: ")
        for place, (user, past) in enumerate(zip(people, pasts or [None] * len(people), strict=True))
    ]
    ids = [each.id for each in told]
    rows = places(bundle.user_ids, ids)
    source = (rows >= 0).long()
    if pasts is None:
        mine = rows[rows >= 0]
        return Asked(ids, source, bundle.users[mine], take(bundle.seen, mine), None)
    past, unknown = _past(bundle, [each.history or () for each in told])
    read = torch.zeros(len(ids), dtype=torch.bool) if bundle.reader is None else bundle.reader.knows(past)
    source[read] = SOURCES.index(FOLDED if bundle.reader is not None and bundle.reader.folds else HISTORY)
    vectors, met, steps = _vectors(bundle, rows, past, read)
    return Asked(ids, source, vectors, met, unknown, steps)


class Who(NamedTuple):
    """One who asks, as text."""

    id: str | None
    history: Sequence[str] | None  # items met, oldest first; an empty one says that nothing was met


def who(user: object, history: object, where: str = "") -> Who:
    """Somebody known by an id, a history or both.

    Args:
        user: the id; None: not known.
        history: the ids of the items met, oldest first; None: not known.
        where: what messages begin with, such as the file and the line.

    Raises:
        Refused: there is neither, or one that cannot be used.
    """
    try:
        if user is None and history is None:
            raise Refused("empty user_id: there is neither an id nor a history")
        return Who(None if user is None else id_text(user), None if history is None else _items(history))
    except Refused as error:
        raise Refused(f"{where}{error}") from None


def id_text(value: object, name: str = "user_id") -> str:
    """An id as text: text is taken as it is, whole numbers become their decimal digits.

    Raises:
        Refused: it is neither, or empty, or longer than any id can be, or no Unicode.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        value = str(int(value))
    if not isinstance(value, str):
        raise Refused(f"{name} must be text or a whole number, not {type(value).__name__}")
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        raise Refused(f"{name}: a lone surrogate is not text") from None
    if not 1 <= length <= _LONGEST_ID:
        raise Refused(f"{name} must have 1 to {_LONGEST_ID} bytes, not {length}")
    return value


def places(vocabulary: pandas.Index, ids: Sequence[str | None]) -> Tensor:
    """Where each of ``ids`` stands in the vocabulary, [n]; -1 where it does not."""
    import pandas

    asked: Any = pandas.Series(list[Any](ids), dtype=vocabulary.dtype)
    return torch.from_numpy(vocabulary.get_indexer(pandas.Index(asked)))


def _past(bundle: Bundle, histories: Sequence[Sequence[str]]) -> tuple[Ragged, Tensor]:
    """The known items of each history, oldest first, and how many were unknown."""
    count, lengths = len(histories), torch.tensor([len(history) for history in histories])
    items, rows = places(bundle.item_index, list(chain.from_iterable(histories))), owners(lengths.long())
    known = items >= 0
    return Ragged.group(rows[known], items[known], count), torch.bincount(rows[~known], minlength=count)


def _items(history: object) -> list[str]:
    if isinstance(history, str | bytes | Mapping) or not isinstance(history, Iterable):
        raise Refused(f"item_ids: a history is a list of item ids, not {type(history).__name__}")
    items = list(history)
    if len(items) > _LONGEST_HISTORY:
        raise Refused(f"item_ids: a history has at most {_LONGEST_HISTORY} items, not {len(items)}")
    return [id_text(item, "item_id") for item in items]


def _vectors(bundle: Bundle, rows: Tensor, past: Ragged, read: Tensor) -> tuple[Tensor, Ragged, Tensor | None]:
    """Vectors and what was met, of all who are read or remembered, in the order they ask; and everybody's steps."""
    steps = torch.zeros_like(rows) if bundle.reader is not None and bundle.reader.adapts else None
    remembered, mine = (rows >= 0) & ~read, read.nonzero().flatten()
    parts, met = [bundle.users[rows[remembered]]], [take(bundle.seen, rows[remembered])]
    if bundle.reader is not None and mine.numel():
        found = bundle.reader.read(take(past, mine))
        parts.append(found.vectors.to(bundle.users.dtype))
        if steps is not None and found.steps is not None:
            steps[mine] = found.steps
        met.append(take(past, mine))
    order = torch.argsort(torch.cat((remembered.nonzero().flatten(), mine)))
    values = torch.cat([part.values for part in met])
    everyone = Ragged(values, offsets_of(torch.cat([part.lengths for part in met])))
    return torch.cat(parts)[order], take(everyone, order), steps
