"""A log as integers: sixteen bytes an interaction, so that what follows is array work in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TRAIN, VALID, TEST = 0, 1, 2
PARTS = ("train", "valid", "test")
"""Part ``p`` is named ``PARTS[p]``, in splits, files and reports alike."""
NOWHERE = -1
"""The part of what a split leaves out: in a gap, or after the window that is looked at."""
STRANGER = "stranger"
"""A column of held-out parts where a split holds out whole users: their text, null for those in the vocabulary."""


@dataclass(frozen=True, slots=True, eq=False)
class Behaviours:
    """All events of the log's users with its items, of every type and in no order; codes are the log's."""

    names: tuple[str, ...]  # of the types of events
    users: NDArray[np.int32]  # [E] codes
    items: NDArray[np.int32]  # [E] codes
    times: NDArray[np.int64]  # [E] microseconds since 1970 UTC
    kinds: NDArray[np.int32]  # [E] index into names; -1: an event of no type


@dataclass(frozen=True, slots=True, eq=False)
class CodedLog:
    """Interactions sorted by (time, order in the log). A code is the rank of an id's text among all ids of the log.

    Ranks do not depend on the order of rows, so nothing made from them does.
    """

    users: NDArray[np.int32]  # [N] codes
    items: NDArray[np.int32]  # [N] codes
    times: NDArray[np.int64]  # [N] microseconds since 1970 UTC, never falling
    parts: NDArray[np.int8] | None  # [N] the log's own `part` column, -1 for an unknown word; None: it has none
    clock: NDArray[np.int64]  # [L >= N] times of all logged events, those filtered out included, never falling
    user_ids: pa.Array  # text by code, in byte order
    item_ids: pa.Array  # text by code, in byte order
    weights: NDArray[np.float64] | None = None  # [N]; None: none are known
    sessions: NDArray[np.int32] | None = None  # [N] from 0 in each user's history; None: not asked for
    behaviours: Behaviours | None = None  # None: not asked for

    def __len__(self) -> int:
        """Number of interactions."""
        return len(self.users)

    def select(self, rows: NDArray[np.bool_]) -> CodedLog:
        """The interactions where ``rows`` [N] is true; codes and clock stay what they are."""
        names = ("users", "items", "times", "parts", "weights", "sessions")
        chosen: dict[str, Any] = {name: None if (of := getattr(self, name)) is None else of[rows] for name in names}
        return replace(self, **chosen)

    def pairs(self) -> NDArray[np.int64]:
        """One number per (user, item), equal exactly where both are, [N]."""
        return self.users.astype(np.int64) * len(self.item_ids) + self.items


class Split(Protocol):
    """Says of each interaction which part it belongs to; one kind of split is one file in ``splits/``."""

    order: str  # what it promises of time: "global" (one clock for all), "user" (each user's own) or "none"

    def __call__(self, log: CodedLog) -> NDArray[np.int8]:
        """Parts [N], each ``TRAIN``, ``VALID`` or ``TEST``, or ``NOWHERE`` for what it leaves out."""
        ...
