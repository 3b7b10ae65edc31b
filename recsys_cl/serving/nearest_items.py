"""The item matrix as a faiss index: the best items of a vector without scoring the whole catalogue, or with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from recsys_cl.core.errors import Refused, Unavailable, nearest

NAME = "items.faiss"
_SEED = 1


def make_index(items: Tensor, kind: str = "flat", effort: int | None = None) -> Any:
    """A faiss index over ``items`` [I, D] by inner product.

    Args:
        items: vectors; a place in the index is a row.
        kind: ``flat`` looks at everything and is exact; ``ivf`` looks into the cells nearest to the question (Jegou et al.,
            2011, doi:10.1109/TPAMI.2010.57); ``hnsw`` walks a graph of neighbours (Malkov & Yashunin, arXiv:1603.09320).
        effort: cells of ``ivf``, or candidates of ``hnsw``, that a search looks at; more finds more and takes longer.

    Raises:
        Refused: there is no such kind.
        Unavailable: the extra ``ann`` is not installed.
    """
    kinds: dict[str, Callable[[Any, Tensor, int | None], Any]] = {"flat": _flat, "ivf": _ivf, "hnsw": _hnsw}
    if kind not in kinds:
        raise Refused(f"index '{kind}'; {nearest(kind, kinds)}")
    index = kinds[kind](_faiss(), items, effort)
    index.add(items.numpy())
    return index


def write_index(index: Any, folder: Path) -> None:
    """Write `NAME`."""
    _faiss().write_index(index, str(folder / NAME))


def read_index(folder: Path) -> Any:
    """Read `NAME`; reading runs no code of the file, but verify the folder first."""
    return _faiss().read_index(str(folder / NAME))


def search(index: Any, vectors: Tensor, k: int) -> Tensor:
    """The items that ``index`` finds for each of ``vectors`` [R, D], best first, [R, k]; -1 where it finds no more."""
    import torch

    return torch.from_numpy(index.search(vectors.numpy(), k)[1])


def _flat(faiss: Any, items: Tensor, effort: int | None) -> Any:
    if effort is not None:
        raise Refused("effort: a flat index looks at everything")
    return faiss.IndexFlatIP(items.shape[1])


def _ivf(faiss: Any, items: Tensor, effort: int | None) -> Any:
    cells = max(1, round(4 * len(items) ** 0.5))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(items.shape[1]), items.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = _SEED
    index.cp.min_points_per_centroid = 1  # few items are no reason to warn
    index.train(items.numpy())
    index.nprobe = min(effort or max(1, cells // 10), cells)
    return index


def _hnsw(faiss: Any, items: Tensor, effort: int | None) -> Any:
    index = faiss.IndexHNSWFlat(items.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 200
    index.hnsw.efSearch = effort or 256
    return index


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise Unavailable(f"{error.name} is not installed; pip install 'recsys-cl[ann]'") from error
    return faiss
