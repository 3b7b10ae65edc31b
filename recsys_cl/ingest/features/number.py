"""One number of each item, such as a price or a length."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.features._column import Known, numbers


class Number:
    """A vector of one: the number less its mean, divided by its deviation.

    Args:
        name: of the modality.
        column: of the item table, numbers or texts that are numbers; the modality's name where absent.
        log: take ``log(1 + x)`` first, as suits prices and counts; no number may be below 0 then.
    """

    def __init__(self, name: str, column: str = "", *, log: bool = False) -> None:
        self.name, self.column, self.log = name, column or name, log

    def __call__(self, items: pa.Table) -> Known:
        """The standardised numbers of ``items`` [I, 1].

        Raises:
            Refused: no such column, a value that is no number, or a negative one under ``log``; names the item.
        """
        found = numbers(items, self.column, self.name)
        present = found.is_valid().to_numpy(zero_copy_only=False)
        given = found.drop_null().to_numpy()
        if self.log and given.min() < 0:
            item = items["item_id"].to_pylist()[np.flatnonzero(present)[given.argmin()]]
            raise Refused(f"prepare.features.{self.name}: log of a negative number, {given.min():g} of item {item!r}")
        given = np.log1p(given) if self.log else given
        values = np.zeros((len(found), 1), np.float32)
        values[present, 0] = (given - given.mean()) / (given.std() or 1.0)
        return Known(values, present)
