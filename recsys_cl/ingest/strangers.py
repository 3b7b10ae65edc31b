"""People of whom nothing is in train: the door through which evaluation sees what they met."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, ItemFeatures, Shape
from recsys_cl.ingest.dataset import modality
from recsys_cl.ingest.preparing.coded_log import STRANGER


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """G people outside the vocabulary, and all they met."""

    ids: tuple[str, ...]  # [G], in byte order
    met: Interactions  # users are numbered 0 .. G - 1, items as in the vocabulary; shape.items is one outside it
    about: ItemFeatures | None = None  # what is known of each beside that, a row each; None: nothing is declared


def load_strangers(path: Path, shape: Shape) -> Strangers | None:
    """The strangers of a held-out part, what each met in the order of its rows (by time, then as logged); None: none are told.

    Raises:
        Refused: the file cannot be read.
    """
    try:
        if STRANGER not in pq.read_schema(path).names:
            return None
        said = [name for name in pq.read_schema(path).names if name.startswith(f"{STRANGER}/")]
        columns = ["item", "timestamp", STRANGER, *said]
        table = pq.read_table(path, columns=columns, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise Refused(f"{path}: not a readable table: {error}") from error
    table = table.filter(pc.is_valid(table[STRANGER]))
    names = pc.unique(table[STRANGER].cast(pa.string())).sort()
    users = pc.index_in(table[STRANGER].cast(pa.string()), value_set=names)
    who, items, times = (torch.tensor(each.to_numpy().astype("int64")) for each in (users, table["item"], table["timestamp"]))
    met = Interactions(Shape(len(names), shape.items), who, items, times)
    first = pa.array([int((who == number).nonzero()[0]) for number in range(len(names))], pa.int64())
    told = {name.removeprefix(f"{STRANGER}/"): table.column(name).take(first) for name in said}
    about = {name: modality(column, table.schema.field(f"{STRANGER}/{name}"), path) for name, column in told.items()}
    return Strangers(tuple(names.to_pylist()), met, ItemFeatures(about) if about else None)
