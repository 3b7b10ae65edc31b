"""Texts as words in their order, for an encoder that learns to read them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field, PositiveInt

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.features._column import Known, Learned, texts, texts_to_read

_WORD = re.compile(r"\w+")


class Tokens:
    """The first ``length`` known words of each item's text, lower case, as numbers from 1; 0 stands after the last.

    A word is known if two of the items that somebody met have it. An item with no such word is one whose text is not known.

    Args:
        name: of the modality.
        columns: of the item table, joined; the one of the modality's name where absent.
        length: how many words are read.
        most: how many words are known; of equally frequent ones the first by name.
    """

    def __init__(
        self,
        name: str,
        columns: tuple[str, ...] = (),
        length: Annotated[int, Field(ge=1, le=1024)] = 32,
        most: PositiveInt = 10_000,
    ) -> None:
        self.name, self.columns, self.length, self.most = name, columns or (name,), length, most

    def fit(self, items: pa.Table) -> Learned:
        """The words that two of ``items`` share, the most frequent first.

        Raises:
            Refused: no such column, or no two items share a word.
        """
        counts = Counter(word for text in texts(items, self.columns, self.name) for word in set(_words(text)))
        shared = sorted((word for word, count in counts.items() if count > 1), key=lambda word: (-counts[word], word))
        if not shared:
            raise Refused(f"prepare.features.{self.name}: no two items share a word in {', '.join(self.columns)}")
        return {"words": pa.array(shared[: self.most], pa.string())}

    def __call__(self, items: pa.Table, learned: Learned) -> Known:
        """The words of ``items`` [I, length], numbered as they were ``learned``."""
        number = {word: at for at, word in enumerate(learned["words"].to_pylist(), start=1)}
        found = texts_to_read(items, self.columns)
        values = np.zeros((len(found), self.length), np.float32)
        for row, text in zip(values, found, strict=True):
            known = [number[word] for word in _words(text) if word in number][: self.length]
            row[: len(known)] = known
        return Known(values, values[:, 0] > 0, (self.length, len(number) + 1))


def _words(text: str) -> Iterator[str]:
    return (match[0] for match in _WORD.finditer(text.lower()))
