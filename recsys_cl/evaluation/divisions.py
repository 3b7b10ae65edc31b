"""The divisions that every evaluation makes: by popularity, age and history, by what is cold, by any column that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions
from recsys_cl.evaluation.candidates import Candidates
from recsys_cl.evaluation.segments import Division

if TYPE_CHECKING:
    import pandas as pd

NEW = 0.1
"""An item is new if it was first met within this last share of the training interactions."""
LENGTHS = (5, 10, 20, 50, 100)
"""Where one band of history lengths ends and the next begins."""
LARGEST = 12
"""Values of a column that get a segment of their own; the others share one."""
OTHER, UNKNOWN = "other", "unknown"


def item_popularity(train: Interactions) -> Division:
    """Head, mid and tail: the most popular items that make up a third of all interactions, the next third, the rest.

    Thirds of the interactions rather than of the items, so that each rests on about as much evidence. Of equally popular items
    the smaller id comes first; an item over a border belongs to the side where most of it lies. Cold is what nobody met.
    """
    counts = torch.bincount(train.items, minlength=train.shape.items)
    order = torch.argsort(counts, descending=True, stable=True)
    middle = counts[order].cumsum(0) - counts[order] / 2
    third = (3 * middle / max(len(train), 1)).long().clamp(max=2)
    labels = torch.empty_like(order)
    labels[order] = third
    labels[counts == 0] = 3
    return Division("item popularity", ("head", "mid", "tail", "cold"), _outside(labels, 3))


def item_age(train: Interactions) -> Division:
    """New are items first met in the last tenth of the training interactions, and those outside the vocabulary.

    Where the log has no times, only the latter are.
    """
    first = torch.full((train.shape.items,), torch.iinfo(torch.int64).max, device=train.items.device)
    first.scatter_reduce_(0, train.items, train.times, "amin")
    border = train.times[int((1 - NEW) * len(train))] if len(train) else 0
    earliest = train.times.min() if len(train) else 0
    new = (first >= border) & (first > earliest)
    return Division("item age", ("older", "new"), _outside(new.long(), 1))


def cold_items(counts: Tensor) -> Division:
    """Items that somebody met (``counts`` [I] above 0), and those that nobody did or that are outside the vocabulary.

    The former cold ones are known by their content if at all; the latter can only be missed.
    """
    return Division("cold items", ("known", "cold"), _outside((counts == 0).long(), 1))


def who_gets_cold_items(held_out: Tensor) -> Division:
    """Users of whom a cold item is held out (``held_out`` [U] above 0), and the others, who say nothing of cold items."""
    return Division("cold items held out", ("some", "none"), (held_out == 0).long())


def history_length(users: Tensor, known: Interactions) -> Division:
    """Bands of how much is known of each of ``users`` [U]: 0-4 interactions, 5-9, ..."""
    lengths = torch.bincount(known.users, minlength=known.shape.users)[users]
    borders = torch.tensor(LENGTHS, device=users.device)
    ends = (0, *LENGTHS)
    labels = (*(f"{low}-{high - 1}" for low, high in zip(ends, LENGTHS, strict=False)), f"{LENGTHS[-1]}+")
    return Division("history length", labels, torch.bucketize(lengths, borders, right=True))


def known_from(users: Tensor, known: Interactions, candidates: Candidates) -> Division:
    """Whether ``users`` [U] have met candidates only, also other items, or other items only: these are new here."""
    here, everywhere = _met(users, candidates.among(known)), _met(users, known)
    labels = torch.where(here == 0, 2, (everywhere > here).long())
    return Division("known from", ("candidates", "both", "other items", "nothing"), torch.where(everywhere == 0, 3, labels))


def candidates_met(users: Tensor, known: Interactions, candidates: Candidates) -> Division:
    """Bands of how many interactions with candidates are known of each of ``users`` [U]: 0, 1-2, 3-4, 5-9, ..."""
    borders = torch.tensor([1, 3, 5, 10], device=users.device)
    bands = torch.bucketize(_met(users, candidates.among(known)), borders, right=True)
    return Division("candidates met", ("0", "1-2", "3-4", "5-9", "10+"), bands)


def _met(users: Tensor, known: Interactions) -> Tensor:
    return torch.bincount(known.users, minlength=known.shape.users)[users]


def column(values: pd.Series[Any], *, outside: bool) -> Division:
    """A division by the values of a column: the most frequent by name, then ``other``, then ``unknown``.

    Numbers of many values are divided into quarters, also where a text file made them text; of a list the first value decides.

    Args:
        values: one for each user or item, in id order; its name is the division's.
        outside: whether to add a last label for what is outside the vocabulary; that is unknown.

    Raises:
        Refused: the column holds lists of numbers.
    """
    import pandas as pd

    texts = values.map(_text, na_action="ignore")
    numbers = _numbers(values, texts)
    if numbers is not None and numbers.nunique() > LARGEST:
        texts = _quarters(numbers).fillna(texts)
    sizes = texts[~texts.isin([OTHER, UNKNOWN])].value_counts()
    named = sorted(sizes.index, key=lambda text: (-sizes[text], text))[:LARGEST]
    labels = (*named, OTHER, UNKNOWN)
    places = {text: place for place, text in enumerate(labels)}
    codes = [places[UNKNOWN] if pd.isna(text) else places.get(text, places[OTHER]) for text in texts]
    codes += [places[UNKNOWN]] if outside else []
    return Division(str(values.name), labels, torch.tensor(codes, dtype=torch.int64))


def _numbers(values: pd.Series[Any], texts: pd.Series[Any]) -> pd.Series[Any] | None:
    """The values as numbers, read from their ``texts`` where need be; None where something is none."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return values
    found = pd.to_numeric(texts, errors="coerce")
    return found if np.isfinite(found[texts.notna()]).all() else None


def _quarters(values: pd.Series[Any]) -> pd.Series[Any]:
    """The quarter of the known values that each is in, as text: ``1.5 to 20``; of infinity there are none."""
    import pandas as pd

    known = values[np.isfinite(values.to_numpy(dtype=float, na_value=np.nan))]
    quarters, ends = pd.qcut(known, 4, labels=False, retbins=True, duplicates="drop")
    told: pd.Series[Any] = quarters.map(lambda place: f"{ends[int(place)]:g} to {ends[int(place) + 1]:g}", na_action="ignore")
    return told.astype(object).reindex(values.index)


def _text(value: object) -> str | None:
    """A value as a label, None of an empty text; the first of a list, None of an empty one."""
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        if len(value) and isinstance(value[0], float | np.floating):
            raise Refused("lists of numbers make no segments")
        return str(value[0]) if len(value) else None
    return f"{value:g}" if isinstance(value, float) else str(value) or None


def _outside(labels: Tensor, label: int) -> Tensor:
    """The labels [I] of the vocabulary, and one more for all that is outside it."""
    return torch.cat((labels, labels.new_tensor([label])))
