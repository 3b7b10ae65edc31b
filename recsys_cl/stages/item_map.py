"""Item vectors become points on a plane."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recsys_cl.reporting.evidence import ItemMap

DRAWN = 1200
"""Items on a map: those met most often."""


def item_maps(
    recipe: str, evaluation: Path, categories: Sequence[str], texts: Sequence[str], popularity: NDArray[np.int64]
) -> list[ItemMap]:
    """The principal components, and UMAP where it is installed.

    Args:
        recipe: whose vectors.
        evaluation: the folder with ``vectors.safetensors``.
        categories: one for each item, by which it is coloured; empty where none is known.
        texts: what to call each item.
        popularity: [I] training interactions of each item.
    """
    from recsys_cl.reporting.evidence import ItemMap

    path = evaluation / "vectors.safetensors"
    if not path.is_file():
        return []
    from safetensors.numpy import load_file

    vectors = load_file(path)["items"].astype(np.float64)
    if len(vectors) < 3 or vectors.shape[1] < 2 or not np.isfinite(vectors).all():
        return []
    shown = np.sort(np.argsort(-popularity, kind="stable")[:DRAWN])
    which = f"{len(shown):,} of {len(vectors):,}, those met most often" if len(shown) < len(vectors) else "all of them"

    def made(method: str, places: NDArray[np.float64], note: str) -> ItemMap:
        points = [(float(x), float(y), categories[i], texts[i]) for (x, y), i in zip(places, shown, strict=True)]
        return ItemMap(recipe, method, f"{which}. {note}", points)

    places, explained = principal(vectors)
    maps = [made("PCA", places[shown], f"The two axes hold {explained:.0%} of the variance.")]
    if find_spec("umap"):
        maps.append(made("UMAP", _umap(vectors[shown]), "Distances between far groups mean nothing."))
    return maps


def principal(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The two principal components [I, 2] of ``vectors`` [I, D >= 2], and their share of the variance.

    Each axis points where its longest coordinate is positive, so that the same vectors always give the same picture.
    """
    centred = vectors - vectors.mean(0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    places = centred @ axes[:, [-1, -2]]
    longest = np.take_along_axis(places, np.abs(places).argmax(0)[None], 0)
    total = float(values.clip(0).sum())
    return places * np.where(longest < 0, -1.0, 1.0), float(values[-2:].sum()) / total if total > 0 else 0.0


def _umap(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    from umap import UMAP

    found: NDArray[np.float64] = UMAP(n_components=2, random_state=0, n_jobs=1).fit_transform(vectors)
    return found
