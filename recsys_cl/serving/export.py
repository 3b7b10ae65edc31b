"""A model for other runtimes: ONNX or faiss beside the item matrix and ids, sealed after it gave the library's answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.files import commit_folder, make_folder, write_json
from recsys_cl.core.values import Ragged
from recsys_cl.ops.ragged import take
from recsys_cl.ops.topk import top_k
from recsys_cl.serving import nearest_items, portable
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.manifest import write_manifest

TOP = 10
PARITY = 0.999
"""The least share of the library's top `TOP` that the export must find."""

_CHECKED = 2_000  # users


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export, and how true it must be."""

    format: str
    index: str = "flat"  # of faiss
    effort: int | None = None
    parity: float = PARITY


def export(bundle: Bundle, folder: Path, wanted: Wanted) -> Mapping[str, Any]:
    """Write ``bundle`` to ``folder``, which must not exist.

    There lie the format's own file, ``items.safetensors`` (``items`` [I, D]), ``items.parquet`` (the ids of its rows),
    ``export.json`` (what it is, and its parity) and a manifest.

    Parity is the share of the library's top 10 items, before seen ones are left out, that the export's top 10 holds: over
    up to 2,000 users, ONNX from what they have met, faiss from their vectors.

    Returns:
        What stands in ``export.json``.

    Raises:
        Refused: the model cannot be exported so, ``folder`` is there, or parity is too low; nothing is written.
        Unavailable: an extra is not installed, or ``folder`` cannot be written.
    """
    formats: dict[str, Callable[[Bundle, Path, Wanted], Mapping[str, Any]]] = {"onnx": _onnx, "faiss": _faiss}
    if wanted.format not in formats:
        raise Refused(f"format '{wanted.format}'; {nearest(wanted.format, formats)}")
    if folder.exists():
        raise Refused(f"{folder}: exists already")
    scratch = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    make_folder(scratch)
    try:
        facts = {
            "format": wanted.format,
            "model": bundle.meta.get("name", ""),
            **formats[wanted.format](bundle, scratch, wanted),
        }
        if facts["parity"] < wanted.parity:
            raise Refused(f"{wanted.format}: finds {facts['parity']:.2%} of the top {TOP}, asked for are {wanted.parity:.2%}")
        _write_items(bundle, scratch)
        write_json(scratch / "export.json", facts)
        write_manifest(scratch)
        commit_folder(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return facts


def overlap(found: Tensor, exact: Tensor) -> float:
    """The share of ``exact`` [R, k] that stands in the same row of ``found`` [R, k]."""
    return float((exact[:, :, None] == found[:, None, :]).any(2).double().mean())


def _onnx(bundle: Bundle, folder: Path, wanted: Wanted) -> Mapping[str, Any]:
    length = portable.write_encoder(bundle, folder)
    histories = _histories(bundle)
    assert bundle.reader is not None
    mine, others = bundle.reader.vectors(histories), portable.run_encoder(folder / portable.NAME, histories, length)
    del wanted
    return {
        "inputs": {"items": ["batch", length], "lengths": ["batch"]},
        "output": {"vectors": ["batch", bundle.items.shape[1]]},
        "parity": overlap(_best(bundle, others), _best(bundle, mine)),
        "largest_difference": float((mine - others).abs().max()),
        "checked": len(histories),
    }


def _faiss(bundle: Bundle, folder: Path, wanted: Wanted) -> Mapping[str, Any]:
    index = nearest_items.make_index(bundle.items, wanted.index, wanted.effort)
    nearest_items.write_index(index, folder)
    users = bundle.users[_some(len(bundle.users))]
    exact = _best(bundle, users)
    found = nearest_items.search(nearest_items.read_index(folder), users, exact.shape[1])
    return {"index": wanted.index, "effort": wanted.effort, "parity": overlap(found, exact), "checked": len(users)}


def _best(bundle: Bundle, vectors: Tensor) -> Tensor:
    return top_k(vectors, bundle.items, min(TOP, len(bundle.items))).items


def _histories(bundle: Bundle) -> Ragged:
    """What some users have met; who has met nothing has no history to read."""
    known = (bundle.seen.lengths > 0).nonzero().flatten()
    return take(bundle.seen, known[_some(len(known))])


def _some(count: int) -> Tensor:
    return torch.arange(0, count, max(1, -(-count // _CHECKED)))


def _write_items(bundle: Bundle, folder: Path) -> None:
    import pyarrow
    from pyarrow import parquet
    from safetensors.torch import save_file

    save_file({"items": bundle.items}, folder / "items.safetensors")
    parquet.write_table(pyarrow.table({"item_id": bundle.item_ids}), folder / "items.parquet", write_page_checksum=True)
