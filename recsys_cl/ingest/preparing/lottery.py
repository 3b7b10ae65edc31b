"""Chance that does not depend on the order of rows: one number per user and item, from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.chance import derive
from recsys_cl.ingest.preparing.coded_log import CodedLog


def draw(log: CodedLog, seed: int, purpose: str) -> NDArray[np.uint64]:
    """A uniform 64-bit number for each interaction's (user, item), [N]; repeats of a pair draw the same."""
    return draw_numbers(log.pairs().astype(np.uint64), seed, purpose)


def draw_numbers(keys: NDArray[np.uint64], seed: int, purpose: str) -> NDArray[np.uint64]:
    """A uniform 64-bit number for each of ``keys`` [N]; equal keys draw the same.

    SplitMix64's finaliser (Steele et al., 2014, Fast splittable pseudorandom number generators) of the key.
    """
    with np.errstate(over="ignore"):
        state = keys * np.uint64(0x9E3779B97F4A7C15) + np.uint64(derive(seed, purpose))
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
