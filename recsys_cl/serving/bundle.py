"""What a registered model knows: vectors, vocabularies, what each user has seen, what is popular. No code, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import commit_folder, write_json
from recsys_cl.core.values import Interactions, Ragged, Shape
from recsys_cl.serving.manifest import verify_manifest, write_manifest
from recsys_cl.serving.newcomers import Newcomers, read_newcomers
from recsys_cl.serving.reader import Reader, restore

if TYPE_CHECKING:
    import pandas
    import pyarrow


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A recommender ready to answer. The score of an item for a user is the dot product of their vectors."""

    user_ids: pandas.Index  # [U] text, in vocabulary order
    item_index: pandas.Index  # [I] text, in vocabulary order: for looking ids up
    item_ids: pyarrow.Array  # [I] the same: for writing them out
    about: Mapping[str, pyarrow.Array]  # [I] each: what the item table says in text, such as title and category, by column
    users: Tensor  # [U, D] float32
    items: Tensor  # [I, D] float32
    seen: Ragged  # U rows: the items a user has met, each once, rising
    counts: Tensor  # [I] int64: how often each item was met
    reader: Reader | None  # knows people by their histories, where the recipe can
    newcomers: Newcomers | None = field(default=None, kw_only=True)  # knows new items by their content, where the recipe can
    meta: Mapping[str, Any]  # JSON-able: recipe, metrics, digests; "exclude_seen": whether lists leave out what was seen

    @property
    def exclude_seen(self) -> bool:
        """Whether lists leave out what the user has met; true unless the model was built otherwise."""
        return bool(self.meta.get("exclude_seen", True))


def assemble(
    users: pandas.DataFrame,
    items: pandas.DataFrame,
    vectors: Mapping[str, Tensor],
    known: Interactions,
    meta: Mapping[str, Any],
    reader: Reader | None = None,
) -> Bundle:
    """A bundle from the parts a pipeline leaves behind.

    Args:
        users: vocabulary with ``user_id``, in id order.
        items: vocabulary with ``item_id``, in id order; further columns of text are kept.
        vectors: ``users`` [U, D] and ``items`` [I, D].
        known: all interactions the vectors were made from.
        meta: facts to keep; see `Bundle`.
        reader: see `Bundle`.

    Raises:
        Refused: vectors are not finite or do not fit the vocabularies.
    """
    import pandas
    import pyarrow

    expected = {"users": known.shape.users, "items": known.shape.items}
    for side, count in expected.items():
        if vectors[side].shape[0] != count or len(users if side == "users" else items) != count:
            raise Refused(f"{side}: {vectors[side].shape[0]} vectors for a vocabulary of {count}")
        if not torch.isfinite(vectors[side]).all():
            raise Refused(f"{side}: some vectors are not finite")
    pairs = torch.unique(known.users * known.shape.items + known.items)
    seen = Ragged.group(pairs // known.shape.items, pairs % known.shape.items, known.shape.users)
    return Bundle(
        user_ids=pandas.Index(users["user_id"]),
        item_index=pandas.Index(items["item_id"]),
        item_ids=pyarrow.array(items["item_id"], pyarrow.string()),
        about=_texts(items),
        users=vectors["users"].float().contiguous(),
        items=vectors["items"].float().contiguous(),
        seen=seen,
        counts=torch.bincount(known.items, minlength=known.shape.items),
        reader=reader,
        meta=dict(meta),
    )


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Commit ``bundle`` as a sealed folder, in one rename; ``folder`` must not exist."""
    import pyarrow
    from safetensors.torch import save_file

    if folder.exists():
        raise Refused(f"{folder}: exists already")
    scratch = folder.with_name(f".{folder.name}.new")
    scratch.mkdir(parents=True, exist_ok=True)
    save_file({"users": bundle.users, "items": bundle.items}, scratch / "vectors.safetensors")
    history = {"seen": bundle.seen.values, "seen_offsets": bundle.seen.offsets, "counts": bundle.counts}
    save_file(history, scratch / "history.safetensors")
    if bundle.reader is not None:
        save_file(bundle.reader.state(), scratch / "reader.safetensors")
    if bundle.newcomers is not None:
        bundle.newcomers.write(scratch)
    _write_table(pyarrow.table({"user_id": pyarrow.array(bundle.user_ids, pyarrow.string())}), scratch / "users.parquet")
    _write_table(pyarrow.table({"item_id": bundle.item_ids, **bundle.about}), scratch / "items.parquet")
    write_json(scratch / "meta.json", dict(bundle.meta))
    write_manifest(scratch)
    commit_folder(scratch, folder)


def read_bundle(folder: Path) -> Bundle:
    """Read a sealed folder, after every byte of it was verified.

    Raises:
        Refused: a file is missing, foreign, damaged, or of another format.
    """
    import pandas
    from safetensors.torch import load_file

    verify_manifest(folder)
    vectors, history = load_file(folder / "vectors.safetensors"), load_file(folder / "history.safetensors")
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    users, items = _read_table(folder / "users.parquet"), _read_table(folder / "items.parquet")
    return Bundle(
        user_ids=pandas.Index(users["user_id"].to_pandas()),
        item_index=pandas.Index(items["item_id"].to_pandas()),
        item_ids=items["item_id"].combine_chunks(),
        about={name: items[name].combine_chunks() for name in items.column_names if name != "item_id"},
        users=vectors["users"],
        items=vectors["items"],
        seen=Ragged(history["seen"], history["seen_offsets"]),
        counts=history["counts"],
        reader=_read_reader(folder, meta["recipe"], Shape(len(users), len(items))),
        newcomers=read_newcomers(folder, meta["recipe"]),
        meta=meta,
    )


def _read_reader(folder: Path, recipe: Mapping[str, Any], shape: Shape) -> Reader | None:
    from safetensors.torch import load_file

    path = folder / "reader.safetensors"
    return restore(recipe, shape, load_file(path)) if path.exists() else None


def _texts(items: pandas.DataFrame) -> dict[str, pyarrow.Array]:
    import pyarrow
    from pandas.api.types import is_object_dtype, is_string_dtype

    plain = [name for name in items if is_string_dtype(items[name]) or is_object_dtype(items[name])]
    kept = {}
    for name in plain:
        values = items[name].dropna()
        if name != "item_id" and values.map(lambda value: isinstance(value, str)).all():
            kept[str(name)] = pyarrow.array(items[name], pyarrow.string(), from_pandas=True)
    return kept


def _write_table(table: pyarrow.Table, path: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(table, path, write_page_checksum=True)


def _read_table(path: Path) -> pyarrow.Table:
    from pyarrow import parquet

    return parquet.read_table(path, page_checksum_verification=True)
