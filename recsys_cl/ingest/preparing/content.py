"""What the items' content says, read by statistics of the items that train holds; and whom it lets in besides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.ingest.features._column import SHAPE, Known, Learned

FEATURES = b"features"
"""Where ``Content.learned`` says what was declared: ``[prepare.features]`` as JSON, in the schema's metadata."""


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """The items of a vocabulary with what each modality tells of them."""

    item_ids: pa.Array  # [I] text: train's in byte order, then in byte order those let in for their content
    vectors: pa.Table  # [I] a column a modality, lists of numbers; null where an item has none
    learned: pa.Table  # one row, a column "MODALITY/NAME": what readings learned of train's items


def content_of(met: pa.Array, items: Path, features: Mapping[str, Component], *, cold: bool) -> Content:
    """The content of the items ``met`` in train and, if ``cold``, of all others in the item table that have a modality.

    Args:
        met: ids [M] of train's items; what is learned, is learned of these alone.
        items: the item table.
        features: by modality, one or more.
        cold: whether items that nobody met are let in.

    Raises:
        Refused: a column is missing or makes no sense; names modality, column or item.
    """
    table = read_known(items)
    return _told(met, pa.concat_arrays([met, _others(table, met)]) if cold else met, table, features)


def people_of(met: pa.Array, users: Path, features: Mapping[str, Component]) -> Content:
    """The same of the users ``met`` in train, read from the table at ``users``.

    Raises:
        Refused: a column is missing or makes no sense; names modality, column or user.
    """
    with _of_people():
        return _told(met, met, _as_items(read_known(users)), features)


def read_people(ids: pa.Array, users: Path, learned: pa.Table) -> pa.Table:
    """What each modality tells of other people, by what was ``learned`` of those in train; null where nothing."""
    with _of_people():
        told = read_new(describe("item_id", ids, _as_items(read_known(users))), learned)
    return pa.table({name: _vectors(known) for name, known in told.items()})


def _as_items(users: pa.Table) -> pa.Table:
    return users.rename_columns(["item_id" if name == "user_id" else name for name in users.column_names])


@contextmanager
def _of_people() -> Iterator[None]:
    """Messages about a table that is the users'."""
    try:
        yield
    except Refused as error:
        said = str(error).replace("prepare.features", "prepare.user_features")
        raise Refused(
            said.replace("the item table", "the user table").replace("of item", "of user").replace("item_id", "user_id")
        ) from error


def _told(met: pa.Array, ids: pa.Array, table: pa.Table, features: Mapping[str, Component]) -> Content:
    """What ``features`` make of ``ids``, of which the first are the ``met``."""
    described = describe("item_id", ids, table)
    vectors: dict[str, pa.Array] = {}
    learned: dict[str, pa.Array] = {}
    fields: list[pa.Field] = []
    kept = np.arange(len(ids)) < len(met)
    for name in sorted(features):
        reading = build("ingest.features", features[name], f"prepare.features.{name}", name=name)
        found = reading.fit(described.slice(0, len(met)))
        known = reading(described, found)
        kept |= known.present
        vectors[name] = _lists(known)
        fields.append(pa.field(name, vectors[name].type, metadata={SHAPE: json.dumps(known.shape)}))
        learned |= {f"{name}/{key}": pa.array([values], pa.list_(values.type)) for key, values in found.items()}
    said = json.dumps({name: component.model_dump(mode="json") for name, component in sorted(features.items())})
    remembered = pa.table(learned).replace_schema_metadata({FEATURES: said})
    told = pa.table(vectors, schema=pa.schema(fields)).filter(pa.array(kept))
    return Content(ids.filter(pa.array(kept)), told, remembered)


def read_new(items: pa.Table, learned: pa.Table) -> dict[str, Known]:
    """What each modality tells of ``items`` that came after preparation, read by what was ``learned`` then.

    Raises:
        Refused: a column makes no sense; names modality, column or item.
    """
    features = {name: Component.model_validate(said) for name, said in json.loads(learned.schema.metadata[FEATURES]).items()}
    found = {}
    for name in sorted(features):
        reading = build("ingest.features", features[name], f"prepare.features.{name}", name=name)
        found[name] = reading(items, _of(learned, name))
    return found


def read_known(path: Path) -> pa.Table:
    """A table of ids that ingestion wrote."""
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise Refused(f"{path}: not a readable table of ids: {error}") from error


def describe(key: str, ids: pa.Array, known: pa.Table) -> pa.Table:
    """Ids in this order with what the table ``known`` says of them; unknown is null."""
    row = pc.index_in(ids, value_set=known.column(key).cast(ids.type))
    described = {name: known.column(name).take(row) for name in known.column_names if name != key}
    return pa.table({key: ids, **described})


def _of(learned: pa.Table, name: str) -> Learned:
    columns = [column for column in learned.column_names if column.rpartition("/")[0] == name]
    return {column.rpartition("/")[2]: learned.column(column).combine_chunks()[0].values for column in columns}


def _others(table: pa.Table, met: pa.Array) -> pa.Array:
    """The other ids of the item table, each once, in byte order."""
    ids = table.column("item_id").cast(met.type).combine_chunks().drop_null().unique()
    others = ids.filter(pc.invert(pc.is_in(ids, value_set=met)))
    return others.take(pc.sort_indices(others))


def _lists(known: Known) -> pa.Array:
    return _vectors(known).cast(pa.list_(pa.float32()))


def _vectors(known: Known) -> pa.Array:
    """The same of a width that is told even where nobody has one."""
    values: NDArray[np.float32] = known.values
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1], mask=pa.array(~known.present))
