"""Vectors as they are given: of images, sounds, texts, from whatever model made them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.features._column import Known, column


class Vector:
    """A list column of numbers, or a ``.npy`` matrix that ``item_columns`` put beside the table.

    Args:
        name: of the modality.
        column: of the item table; the modality's name where absent.
        scale: ``standard`` takes the mean vector away and divides by the one deviation that is left, so that modalities of
            any size begin alike; ``none`` takes the numbers as they are.
    """

    def __init__(self, name: str, column: str = "", scale: Literal["standard", "none"] = "standard") -> None:
        self.name, self.column, self.scale = name, column or name, scale

    def __call__(self, items: pa.Table) -> Known:
        """The vectors of ``items``, one row an item of the vocabulary.

        Raises:
            Refused: no such column, not one of vectors of one width, or empty for every item.
        """
        found, where = column(items, self.column, self.name), f"prepare.features.{self.name}: column '{self.column}'"
        if not any(is_kind(found.type) for is_kind in _LISTS) or not _is_number(found.type.value_type):
            raise Refused(f"{where} holds {found.type}, not lists of numbers; 'text', 'category' and 'number' read others")
        present = found.is_valid().to_numpy(zero_copy_only=False)
        flat = pc.list_flatten(found).to_numpy(zero_copy_only=False).astype(np.float32)
        widths = pc.unique(pc.list_value_length(found).drop_null()).to_pylist()
        if len(widths) != 1 or not widths[0] or not np.isfinite(flat).all():
            raise Refused(f"{where} must hold finite vectors of one width, found widths {sorted(widths)[:5]}")
        values = np.zeros((len(found), widths[0]), np.float32)
        values[present] = _standard(flat.reshape(-1, widths[0])) if self.scale == "standard" else flat.reshape(-1, widths[0])
        return Known(values, present)


def _standard(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    deviation = float(np.sqrt(np.square(centred).mean())) or 1.0
    return np.asarray(centred / deviation, dtype=np.float32)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
