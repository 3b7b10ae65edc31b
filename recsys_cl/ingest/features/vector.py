"""Vectors as they are given: of images, sounds, texts, from whatever model made them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.features._column import Known, Learned, column, column_to_read


class Vector:
    """A list column of numbers, or a ``.npy`` matrix that ``item_columns`` put beside the table.

    Args:
        name: of the modality.
        column: of the item table; the modality's name where absent.
        scale: ``standard`` takes the mean vector away and divides by the root of the mean squared length that is left, so that
            vectors of any width begin as long as texts and categories, 1; ``none`` takes the numbers as they are.
    """

    def __init__(self, name: str, column: str = "", scale: Literal["standard", "none"] = "standard") -> None:
        self.name, self.column, self.scale = name, column or name, scale

    def fit(self, items: pa.Table) -> Learned:
        """The mean vector of ``items``, and the length that is left.

        Raises:
            Refused: no such column, not one of vectors of one width, or empty for every item.
        """
        found = column(items, self.column, self.name)
        widths = pc.unique(pc.list_value_length(self._lists(found)).drop_null()).to_pylist()
        if len(widths) != 1 or not widths[0]:
            raise Refused(f"{self._where} must hold finite vectors of one width, found widths {sorted(widths)[:5]}")
        vectors = self._flat(found).reshape(-1, widths[0])
        mean, length = np.zeros(widths[0]), 1.0
        if self.scale == "standard":
            mean = vectors.mean(0, dtype=np.float64)
            length = float(np.sqrt(np.square(vectors - mean).sum(1).mean())) or 1.0
        return {"mean": pa.array(mean), "length": pa.array([length])}

    def __call__(self, items: pa.Table, learned: Learned) -> Known:
        """The vectors of ``items`` [I, D], centred and scaled as ``learned`` says.

        Raises:
            Refused: a vector is of another width than those learned from, or not finite.
        """
        mean, length = learned["mean"].to_numpy(), float(learned["length"][0].as_py())
        found = self._lists(column_to_read(items, self.column, pa.list_(pa.float32())))
        present = found.is_valid().to_numpy(zero_copy_only=False)
        widths = pc.unique(pc.list_value_length(found).drop_null()).to_pylist()
        if any(width != len(mean) for width in widths):
            raise Refused(f"{self._where} must hold vectors of {len(mean)} numbers, found widths {sorted(widths)[:5]}")
        values = np.zeros((len(found), len(mean)), np.float32)
        values[present] = (self._flat(found).reshape(-1, len(mean)) - mean) / length
        return Known(values, present)

    @property
    def _where(self) -> str:
        return f"prepare.features.{self.name}: column '{self.column}'"

    def _lists(self, found: pa.Array) -> pa.Array:
        if not any(is_kind(found.type) for is_kind in _LISTS) or not _is_number(found.type.value_type):
            raise Refused(
                f"{self._where} holds {found.type}, not lists of numbers; 'text', 'category' and 'number' read others"
            )
        return found

    def _flat(self, found: pa.Array) -> NDArray[np.float32]:
        flat: NDArray[np.float32] = pc.list_flatten(found).to_numpy(zero_copy_only=False).astype(np.float32)
        if not np.isfinite(flat).all():
            raise Refused(f"{self._where} must hold finite vectors of one width; a number is missing or not finite")
        return flat


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
