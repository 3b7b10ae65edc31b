"""``python -m benchmarks.drift``: whether a published split's parts are alike. Writes results/drift.json.

For each data set in LightGCN's format: mean ``log(1 + n)`` of the items in each fifth of the users' train lists, in the
published validation part and in the test part, where n counts an item's interactions in train; beside it what a test part of
that size would have, were it drawn from all interactions. And how like each other what a user met in each fifth is, and like
what the test part has of the same user: the cosine of mean vectors, those that lead the normalised train matrix, averaged over
users with twenty items or more. Lists without order, and parts drawn from them, give one figure each.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import svds

from benchmarks.frame import REAL
from benchmarks.measure import RESULTS

DATA = ("gowalla", "yelp2018")
FIFTHS = 5
LONG = 20
"""The least items of train with which a user's fifths are compared."""


def lists(path: Path) -> list[list[int]]:
    """The items of each line, in its order."""
    return [[int(word) for word in line.split()[1:]] for line in path.read_text("ascii").splitlines() if line.strip()]


def drift(folder: Path) -> dict[str, Any]:
    """What is written for one data set."""
    parts = {part: lists(folder / f"{name}.txt") for part, name in _FILES.items()}
    train, valid, test = (np.array([item for row in parts[part] for item in row]) for part in _FILES)
    catalogue = max(int(train.max()), int(test.max())) + 1
    size = np.log1p(np.bincount(train, minlength=catalogue))
    place = np.concatenate([np.arange(len(row)) * FIFTHS // max(1, len(row)) for row in parts["train"]])
    return {
        "train_by_fifths": [round(float(size[train[place == fifth]].mean()), 3) for fifth in range(FIFTHS)],
        "valid": round(float(size[valid].mean()), 3),
        "test": round(float(size[test].mean()), 3),
        "test_if_drawn": round(_drawn(np.concatenate((train, test)), len(test), catalogue), 3),
    }


def likeness(folder: Path, dim: int = 64) -> dict[str, Any]:
    """What is written for one data set: of the test part with each fifth of train, and of the fifths with each other."""
    train, test = (lists(folder / f"{_FILES[part]}.txt") for part in ("train", "test"))
    vectors = _vectors(train, 1 + max(map(max, (row for row in train + test if row))), dim)
    found = []
    for known, asked in zip(train, test, strict=True):
        if len(known) >= LONG and asked:
            parts = [*np.array_split(np.array(known), FIFTHS), np.array(asked)]
            means = np.stack([vectors[part].mean(0) for part in parts])
            means /= np.linalg.norm(means, axis=1, keepdims=True).clip(1e-12)
            found.append(means @ means.T)
    together = np.mean(found, axis=0).round(3).tolist()
    return {"users": len(found), "test_with_fifths": together[-1][:-1], "fifths": [row[:-1] for row in together[:-1]]}


def _vectors(rows: list[list[int]], items: int, dim: int) -> NDArray[np.float64]:
    """The items' sides [I, dim] of the singular vectors that lead the normalised matrix of ``rows``, each of length 1."""
    met = csr_array(
        (np.ones(sum(map(len, rows))), np.concatenate(rows).astype(np.int64), np.cumsum([0, *map(len, rows)])),
        shape=(len(rows), items),
    )
    users, counts = (np.maximum(met.sum(axis), 1) ** -0.5 for axis in (1, 0))
    _, _, right = svds(diags_array(users) @ met @ diags_array(counts), k=dim, rng=0)
    return np.asarray(right.T / np.linalg.norm(right, axis=0)[:, None].clip(1e-12))


def _drawn(everything: NDArray[np.int64], held_out: int, catalogue: int) -> float:
    """The same figure of a test part drawn from all interactions, by one seed."""
    held = np.zeros(len(everything), dtype=bool)
    held[np.random.default_rng(0).permutation(len(everything))[:held_out]] = True
    size = np.log1p(np.bincount(everything[~held], minlength=catalogue))
    return float(size[everything[held]].mean())


def main() -> None:
    """Measure what is there."""
    there = [data for data in DATA if (REAL / data).is_dir()]
    measured: tuple[tuple[str, Callable[[Path], Any]], ...] = (("mean_log_popularity", drift), ("likeness", likeness))
    found = {name: {data: measure(REAL / data) for data in there} for name, measure in measured}
    written = json.dumps({"command": "python -m benchmarks.drift", **found}, indent=2)
    (RESULTS / "drift.json").write_text(written + "\n", "utf-8")
    print(written)


_FILES = {"train": "train", "valid": "valid_lightgcnpp", "test": "test"}

if __name__ == "__main__":
    main()
