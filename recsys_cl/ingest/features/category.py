"""Categories of each item: genres, brands, tags."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from pydantic import PositiveInt

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.features._column import Known, Learned, column, column_to_read


class Category:
    """A coordinate for each of the most frequent categories: equal parts of a vector of length 1 where the item has them.

    An item that has none of those is one whose categories are not known.

    Args:
        name: of the modality.
        column: of the item table, text or lists of text; the modality's name where absent.
        separator: what stands between the categories of one text; empty: each text is one category.
        most: how many categories are kept; of equally frequent ones the first by name.
    """

    def __init__(self, name: str, column: str = "", separator: str = "", most: PositiveInt = 256) -> None:
        self.name, self.column, self.separator, self.most = name, column or name, separator, most

    def fit(self, items: pa.Table) -> Learned:
        """The most frequent categories of ``items``.

        Raises:
            Refused: no such column, or no item has a category.
        """
        column(items, self.column, self.name)
        counts = Counter(kind for kinds in self._found(items) for kind in kinds)
        if not counts:
            raise Refused(f"prepare.features.{self.name}: column '{self.column}' names no category for any item")
        kept = sorted(counts, key=lambda kind: (-counts[kind], kind))[: self.most]
        return {"kinds": pa.array(kept, pa.string())}

    def __call__(self, items: pa.Table, learned: Learned) -> Known:
        """The categories of ``items`` [I, C], of those that were ``learned``."""
        place = {kind: at for at, kind in enumerate(learned["kinds"].to_pylist())}
        found = self._found(items)
        values = np.zeros((len(found), len(place)), np.float32)
        for row, kinds in zip(values, found, strict=True):
            row[[place[kind] for kind in kinds if kind in place]] = 1
        lengths = np.sqrt(values.sum(1, keepdims=True))
        return Known(values / np.maximum(lengths, 1), lengths[:, 0] > 0)

    def _found(self, items: pa.Table) -> list[set[str]]:
        return [self._split(value) for value in column_to_read(items, self.column, pa.string()).to_pylist()]

    def _split(self, value: object) -> set[str]:
        if value is None:
            return set()
        parts = value if isinstance(value, list) else str(value).split(self.separator) if self.separator else [value]
        return {text for part in parts if part is not None and (text := str(part).strip())}
