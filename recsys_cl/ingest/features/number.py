"""One number of each item, such as a price or a length."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.features._column import Known, Learned, column, numbers


class Number:
    """A vector of one: the number less its mean, divided by its deviation.

    Args:
        name: of the modality.
        column: of the item table, numbers or texts that are numbers; the modality's name where absent.
        log: take ``log(1 + x)`` first, as suits prices and counts; no number may be below 0 then.
    """

    def __init__(self, name: str, column: str = "", *, log: bool = False) -> None:
        self.name, self.column, self.log = name, column or name, log

    def fit(self, items: pa.Table) -> Learned:
        """The mean and the deviation of the numbers of ``items``.

        Raises:
            Refused: no such column, a value that is no number, or a negative one under ``log``; names the item.
        """
        column(items, self.column, self.name)
        given, _ = self._given(items)
        return {"mean": pa.array([given.mean()]), "deviation": pa.array([given.std() or 1.0])}

    def __call__(self, items: pa.Table, learned: Learned) -> Known:
        """The numbers of ``items`` [I, 1], standardised as ``learned`` says.

        Raises:
            Refused: as for `fit`, but that the column may be missing.
        """
        given, present = self._given(items)
        values = np.zeros((len(items), 1), np.float32)
        values[present, 0] = (given - learned["mean"][0].as_py()) / learned["deviation"][0].as_py()
        return Known(values, present)

    def _given(self, items: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        found = numbers(items, self.column, self.name)
        present = found.is_valid().to_numpy(zero_copy_only=False)
        given = found.drop_null().to_numpy()
        if self.log and given.min(initial=0) < 0:
            item = items["item_id"].to_pylist()[np.flatnonzero(present)[given.argmin()]]
            raise Refused(f"prepare.features.{self.name}: log of a negative number, {given.min():g} of item {item!r}")
        return np.log1p(given) if self.log else given, present
