"""Images as pixels, for an encoder that learns to look at them."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.features._column import Known, Learned, column, column_to_read
from recsys_cl.ingest.features._picture import drawn, pixels


class Image:
    """A column of image files (their bytes) or of pixels, each as ``3 x size x size`` numbers, colours standardised.

    Pixels are lists of ``3 side^2`` whole numbers from 0 to 255: row by row, red, green and blue of each.

    A folder of files becomes such a column by ``item_columns = { photo = "photos/" }``: the file of an item is named by its id.

    Args:
        name: of the modality.
        column: of the item table; the modality's name where absent.
        size: of both sides; an item takes ``12 size^2`` bytes.
    """

    def __init__(self, name: str, column: str = "", size: Annotated[int, Field(ge=4, le=256)] = 32) -> None:
        self.name, self.column, self.size = name, column or name, size

    def fit(self, items: pa.Table) -> Learned:
        """Mean and deviation of each colour over the images of ``items``.

        Raises:
            Refused: no such column, none of bytes, or one that holds something else than an image; names the item.
        """
        column(items, self.column, self.name)
        found, present = self._pixels(items)
        colours = found[present].astype(np.float64).transpose(1, 0, 2, 3).reshape(3, -1)
        return {"mean": pa.array(colours.mean(1)), "deviation": pa.array(np.maximum(colours.std(1), 1.0))}

    def __call__(self, items: pa.Table, learned: Learned) -> Known:
        """The images of ``items`` [I, 3 size^2].

        Raises:
            Refused: as for `fit`, but that the column may be missing.
        """
        found, present = self._pixels(items)
        mean, deviation = (learned[key].to_numpy().astype(np.float32)[:, None, None] for key in ("mean", "deviation"))
        values = ((found - mean) / deviation).astype(np.float32).reshape(len(found), -1)
        values[~present] = 0
        return Known(values, present, (3, self.size, self.size))

    def _pixels(self, items: pa.Table) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        given = column_to_read(items, self.column, pa.binary())
        where = f"prepare.features.{self.name}: column '{self.column}'"
        listed = pa.types.is_list(given.type) and pa.types.is_integer(given.type.value_type)
        if not (listed or pa.types.is_binary(given.type) or pa.types.is_large_binary(given.type)):
            raise Refused(f"{where} holds {given.type}, neither the bytes of image files nor lists of pixels")
        decode = drawn if listed else pixels
        found = np.zeros((len(given), 3, self.size, self.size), np.uint8)
        present = np.zeros(len(given), np.bool_)
        for row, (image, item) in enumerate(zip(given, items.column("item_id"), strict=True)):
            if data := image.as_py():
                found[row], present[row] = decode(data, self.size, f"{where} of item {item.as_py()!r}"), True
        return found, present
