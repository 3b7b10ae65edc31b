"""Text ids become ranks as rows stream by; no order or number of batches shows in them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_RECENT = 1 << 21  # ids that may wait to be merged, repeats among them


class Ids:
    """The distinct ids of a column that comes in batches, and the code of every row's.

    Each batch is numbered by itself. Its ids wait until there are as many as are known, and are then merged at once: so
    all merging together takes time in proportion to the rows, and memory to the distinct ids.
    """

    def __init__(self) -> None:
        self._known = pa.array([], pa.string())
        self._recent: list[pa.DictionaryArray] = []
        self._codes: list[NDArray[np.int32]] = []

    def add(self, column: pa.Array) -> None:
        """The ids of the next rows."""
        self._recent.append(column.cast(pa.string()).dictionary_encode())
        if sum(len(batch.dictionary) for batch in self._recent) > max(_RECENT, len(self._known)):
            self._merge()

    def ranked(self) -> tuple[pa.Array, list[NDArray[np.int32]]]:
        """The distinct ids in byte order, and the rank of each row's among them, batch by batch as they came."""
        self._merge()
        order = pc.array_sort_indices(self._known).to_numpy()
        ranks = np.empty(len(order), dtype=np.int32)
        ranks[order] = np.arange(len(order), dtype=np.int32)
        for codes in self._codes:
            np.take(ranks, codes, out=codes, mode="clip")  # in place; all codes are known, and "raise" would make a copy
        return self._known.take(pa.array(order)), self._codes

    def _merge(self) -> None:
        words = pa.concat_arrays([self._known, *(batch.dictionary for batch in self._recent)]).dictionary_encode()
        numbers, end = words.indices.to_numpy(), len(self._known)  # numbered as met: what was known keeps its number
        for batch in self._recent:
            begin, end = end, end + len(batch.dictionary)
            self._codes.append(numbers[begin:end][batch.indices.to_numpy()])
        self._known = words.dictionary
        self._recent.clear()
