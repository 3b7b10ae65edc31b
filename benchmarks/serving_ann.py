"""What leaves the library, against the library: ONNX on real histories, and faiss indexes by recall and latency."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from recsys_cl.core.values import Ragged
from recsys_cl.ops.ragged import offsets_of
from recsys_cl.ops.topk import top_k
from recsys_cl.serving.askers import read_people
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.export import TOP, overlap
from recsys_cl.serving.load import load_bundle
from recsys_cl.serving.nearest_items import make_index, search
from recsys_cl.serving.rules import known_items

INDEXES = (("flat", None), ("ivf", 8), ("ivf", 32), ("ivf", 128), ("hnsw", 32), ("hnsw", 128), ("hnsw", 512))
_USERS = 2_000


def indexes(model: str) -> dict[str, Any]:
    """Share of the exact top `TOP` found, seconds to build, and microseconds a user: one at a time, on one thread."""
    import faiss

    bundle = load_bundle(model)
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    step = max(1, len(bundle.users) // _USERS)
    users = bundle.users[::step][:_USERS]
    exact, seconds = _one_by_one(users, lambda one: top_k(one, bundle.items, TOP).items)
    rows = [{"index": "exact (library)", "recall": 1.0, "microseconds": 1e6 * seconds / len(users)}]
    for kind, effort in INDEXES:
        began = time.perf_counter()
        index = make_index(bundle.items, kind, effort)
        built = time.perf_counter() - began
        found, seconds = _one_by_one(users, lambda one, index=index: search(index, one, TOP))  # type: ignore[misc]
        rows.append(
            {
                "index": kind if effort is None else f"{kind}, effort {effort}",
                "recall": overlap(found, exact),
                "microseconds": 1e6 * seconds / len(users),
                "build_seconds": built,
            }
        )
    return {"what": _size(bundle) + f"; top {TOP} of {len(users):,} users, one at a time, one thread", "indexes": rows}


def encoder(model: str, histories: Path) -> dict[str, Any]:
    """Share of the library's top `TOP` that the exported encoder finds from real histories, and how far vectors differ."""
    from recsys_cl.serving.portable import NAME, run_encoder, write_encoder

    bundle = load_bundle(model)
    assert bundle.reader is not None
    past = _histories(bundle, histories)
    with TemporaryDirectory() as scratch:
        began = time.perf_counter()
        length = write_encoder(bundle, Path(scratch))
        exported = time.perf_counter() - began
        began = time.perf_counter()
        theirs = run_encoder(Path(scratch) / NAME, past, length)
        seconds = time.perf_counter() - began
    began = time.perf_counter()
    ours = bundle.reader.vectors(past)
    library = time.perf_counter() - began
    found, exact = (top_k(vectors, bundle.items, TOP).items for vectors in (theirs, ours))
    return {
        "what": f"{_size(bundle)}; {len(past):,} real histories",
        "parity": overlap(found, exact),
        "same_lists": float((found == exact).all(1).double().mean()),
        "largest_difference": float((theirs - ours).abs().max()),
        "export_seconds": exported,
        "onnxruntime_microseconds": 1e6 * seconds / len(past),
        "library_microseconds": 1e6 * library / len(past),
    }


def _histories(bundle: Bundle, path: Path) -> Ragged:
    rows = [known_items(bundle, each, None) for some in read_people(path, 10_000) for each in some.histories or () if each]
    rows = [row for row in rows if len(row)]
    return Ragged(torch.cat(rows), offsets_of(torch.tensor([len(row) for row in rows])))


def _one_by_one(users: Tensor, ask: Callable[[Tensor], Tensor]) -> tuple[Tensor, float]:
    ask(users[:1])
    began = time.perf_counter()
    found = [ask(users[row : row + 1]) for row in range(len(users))]
    return torch.cat(found), time.perf_counter() - began


def _size(bundle: Bundle) -> str:
    name, width = bundle.meta.get("name", "model"), bundle.items.shape[1]
    return f"{name}: {len(bundle.users):,} users x {len(bundle.items):,} items x {width}"
