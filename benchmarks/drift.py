"""``python -m benchmarks.drift``: whether a published split's parts are alike. Writes results/drift.json.

For each data set in LightGCN's format: mean ``log(1 + n)`` of the items in each fifth of the users' train lists, in the
published validation part and in the test part, where n counts an item's interactions in train; beside it what a test part of
that size would have, were it drawn from all interactions. Lists without order, and parts drawn from them, give one figure.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.frame import REAL
from benchmarks.measure import RESULTS

DATA = ("gowalla", "yelp2018")
FIFTHS = 5


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


def _drawn(everything: NDArray[np.int64], held_out: int, catalogue: int) -> float:
    """The same figure of a test part drawn from all interactions, by one seed."""
    held = np.zeros(len(everything), dtype=bool)
    held[np.random.default_rng(0).permutation(len(everything))[:held_out]] = True
    size = np.log1p(np.bincount(everything[~held], minlength=catalogue))
    return float(size[everything[held]].mean())


def main() -> None:
    """Measure what is there."""
    found = {data: drift(REAL / data) for data in DATA if (REAL / data).is_dir()}
    (RESULTS / "drift.json").write_text(
        json.dumps({"command": "python -m benchmarks.drift", "mean_log_popularity": found}, indent=2) + "\n", "utf-8"
    )
    print(json.dumps(found, indent=2))


_FILES = {"train": "train", "valid": "valid_lightgcnpp", "test": "test"}

if __name__ == "__main__":
    main()
