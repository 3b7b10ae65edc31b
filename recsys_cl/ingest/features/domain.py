"""The domain of each item: which of several catalogues in one log it belongs to."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.ingest.features._column import Known, Learned, column


class Domain:
    """A coordinate for each domain, in the order of ``domains`` or of their names: 1 where the item belongs to it.

    Args:
        name: of the feature.
        column: of the item table, text, or lists of text where items belong to several; the feature's name where absent.
        domains: all of them, in order; empty: those that are there.
        overlap: whether an item may belong to several.
    """

    def __init__(self, name: str, column: str = "", domains: tuple[str, ...] = (), *, overlap: bool = False) -> None:
        self.name, self.column, self.domains, self.overlap = name, column or name, domains, overlap
        self._key = f"prepare.features.{name}"

    def fit(self, items: pa.Table) -> Learned:
        """The domains of ``items``.

        Raises:
            Refused: no such column, a domain that was not declared, one without items, or fewer than two.
        """
        there = sorted(set().union(*self._found(items)))
        names = list(self.domains) or there
        for word in there:
            if word not in names:
                raise Refused(f"{self._key}.domains: some items are of '{word}', which is not declared; {nearest(word, names)}")
        for word in names:
            if word not in there:
                raise Refused(f"{self._key}.domains: no item of the vocabulary is of '{word}'")
        if len(names) < 2:
            raise Refused(f"{self._key}: every item is of '{names[0]}'; column '{self.column}' must tell two domains apart")
        return {"names": pa.array(names, pa.string())}

    def __call__(self, items: pa.Table, learned: Learned) -> Known:
        """The domains of ``items`` [I, D], of those that were ``learned``.

        Raises:
            Refused: an item without a domain, or with several though none may.
        """
        names = learned["names"].to_pylist()
        found = self._found(items)
        values = np.zeros((len(found), len(names)), np.float32)
        for row, (words, item) in enumerate(zip(found, items["item_id"].to_pylist(), strict=True)):
            if not words:
                raise Refused(f"{self._key}: item {item!r} has no domain in column '{self.column}'")
            if len(words) > 1 and not self.overlap:
                raise Refused(
                    f"{self._key}.overlap: item {item!r} is of {len(words)} domains; say overlap = true if items may be"
                )
            values[row, [names.index(word) for word in words if word in names]] = 1
        return Known(values, values.max(1) > 0)

    def _found(self, items: pa.Table) -> list[set[str]]:
        return [_words(value) for value in column(items, self.column, self.name).to_pylist()]


def _words(value: object) -> set[str]:
    parts = value if isinstance(value, list) else [value]
    return {text for part in parts if part is not None and (text := str(part).strip())}
