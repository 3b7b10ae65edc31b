"""From one log to train, valid, test and a vocabulary, in the order that lets nothing leak back.

Positives, repeats, split; then k-core and vocabulary from train alone, and perhaps the item table's other items for their
content. Later parts keep every interaction: what is not in the vocabulary is cold, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Shape
from recsys_cl.ingest.engine import engine
from recsys_cl.ingest.prepare import Prepare
from recsys_cl.ingest.preparing.behaviours import behaviour_columns, summed_weights
from recsys_cl.ingest.preparing.coded_log import NOWHERE, PARTS, STRANGER, TEST, TRAIN, CodedLog
from recsys_cl.ingest.preparing.coding import code
from recsys_cl.ingest.preparing.content import Content, content_of, people_of, read_people
from recsys_cl.ingest.preparing.kcore import kcore
from recsys_cl.ingest.preparing.repeats import keep_one
from recsys_cl.ingest.preparing.sessions import sessions


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Interactions of one part as vocabulary ids, by (time, order in the log); a cold id is the vocabulary's size."""

    users: NDArray[np.int32]  # [N]
    items: NDArray[np.int32]  # [N]
    times: NDArray[np.int64]  # [N] microseconds since 1970 UTC
    columns: Mapping[str, pa.Array] = field(default_factory=dict)  # [N] each: weight, session, behaviours, as asked for


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A data set in memory."""

    parts: tuple[Part, Part, Part]  # train, valid, test
    user_ids: pa.Array  # [users] text by id
    item_ids: pa.Array  # [items] text by id: train's, then those that only their content tells of
    counts: dict[str, int]  # rows logged, removed by each step, and left
    content: Content | None = None  # of the items, where any is declared
    people: Content | None = None  # of the users
    repeated: bool = True  # whether train may hold a pair twice

    @property
    def shape(self) -> Shape:
        """Size of the vocabulary."""
        return Shape(len(self.user_ids), len(self.item_ids))


def prepare(
    interactions: Path, settings: Prepare, scratch: Path, items: Path | None = None, users: Path | None = None
) -> Prepared:
    """Prepare a log of the one schema.

    Args:
        interactions: Parquet with ``user_id``, ``item_id``, ``timestamp``, optionally ``rating``, ``event``, ``part``.
        settings: what is positive, what a repeat is worth, where to split, which core to keep.
        scratch: a folder in which the engine may spill.
        items: the item table, from which content is read where ``settings`` declare any.
        users: the user table, likewise.

    Raises:
        Refused: a step leaves nothing, a part has no interactions, or the log lacks what a setting names.
    """
    split = build("ingest.splits", settings.split, "prepare.split")
    log, parts, counts = _divided(interactions, settings, split, scratch)
    train = np.flatnonzero(parts == TRAIN)
    left_out = int((parts == NOWHERE).sum())
    core = kcore(log.users[train], log.items[train], settings.kcore, repeated=settings.repeats == "keep")
    counts |= {"outside_core": len(train) - int(core.sum())}
    counts |= {"left_out": left_out} if left_out else {}
    if not core.any():
        raise Refused(f"prepare.kcore: none of the {len(train):,} train interactions lies in the core ({settings.kcore})")
    kept = train[core]
    content = None
    if items is not None and settings.features:
        met = log.item_ids.take(pa.array(np.unique(log.items[kept])))
        content = content_of(met, items, settings.features, cold=settings.cold_items == "features")
    made = replace(_renumbered(log, parts, kept, counts, content), repeated=settings.repeats == "keep")
    if users is not None and settings.user_features:
        made = replace(made, people=people_of(made.user_ids, users, settings.user_features))
    return _named(made, log, parts, users) if getattr(split, "strangers", False) else made


def _divided(
    interactions: Path, settings: Prepare, split: Any, scratch: Path
) -> tuple[CodedLog, NDArray[np.int8], dict[str, int]]:
    """What repeats leave of the log, and the part of each row; the log before that, and its clock, are let go of."""
    with engine(scratch, settings.memory_limit, settings.threads, settings.engine) as run:
        whole, counts = code(run, interactions, settings)
    log, removed = _collapsed(whole, settings)
    parts = split(log)
    _need_every_part(parts, settings.split.use, PARTS if getattr(split, "test", True) else PARTS[:-1])
    if settings.repeats == "sum" and log.weights is not None:
        log = replace(log, weights=summed_weights(whole, parts, log))
    return replace(log, clock=log.clock[:0].copy()), parts, counts | removed


def _collapsed(log: CodedLog, settings: Prepare) -> tuple[CodedLog, dict[str, int]]:
    """One interaction a pair, unless repeats are kept, and what that removed; sessions are those of all interactions."""
    if (gap := settings.session_gap_microseconds) is not None:
        log = replace(log, sessions=sessions(log.users, log.times, gap))
    once = keep_one(log, settings.repeats, settings.min_weight)
    if not once.any():
        raise Refused(f"prepare.min_weight: no pair's weights sum to {settings.min_weight:g}")
    left = log if once.all() else log.select(once)
    light = np.isin(log.pairs(), left.pairs(), invert=True) if settings.repeats == "sum" and settings.min_weight else np.False_
    removed = {"repeats": len(log) - len(left) - int(np.sum(light))}
    return left, removed | ({"below_summed_weight": int(np.sum(light))} if settings.repeats == "sum" else {})


def _need_every_part(parts: NDArray[np.int8], use: str, needed: Sequence[str]) -> None:
    sizes = np.bincount(parts[parts != NOWHERE], minlength=len(PARTS))
    for name, size in zip(PARTS, sizes, strict=True):
        if size == 0 and name in needed:
            story = ", ".join(f"{n} {s:,}" for n, s in zip(PARTS, sizes, strict=True))
            raise Refused(f"prepare.split: '{use}' leaves {name} without interactions ({story})")


def _renumbered(
    log: CodedLog, parts: NDArray[np.int8], train: NDArray[np.int64], counts: dict[str, int], content: Content | None
) -> Prepared:
    user_ids, users = _vocabulary(log.users, train, log.user_ids)
    item_ids, items = _vocabulary(log.items, train, log.item_ids)
    if content is not None and len(content.item_ids) > len(item_ids):
        item_ids = content.item_ids
        items = pc.index_in(log.item_ids, value_set=item_ids).fill_null(len(item_ids)).to_numpy().astype(np.int32)
    rows = [train, *(np.flatnonzero(parts == part) for part in range(TRAIN + 1, len(PARTS)))]
    made = [Part(users[log.users[r]], items[log.items[r]], log.times[r], _columns(log, r)) for r in rows]
    made[0] = replace(made[0], columns={**made[0].columns, **behaviour_columns(log, train)})
    counts |= {name: len(r) for name, r in zip(PARTS, rows, strict=True)}
    return Prepared((made[0], made[1], made[2]), user_ids, item_ids, counts, content)


def _named(prepared: Prepared, log: CodedLog, parts: NDArray[np.int8], users: Path | None) -> Prepared:
    """With the strangers of the test part told apart, and what is known of each."""
    train, valid, test = prepared.parts
    codes = pa.array(log.users[parts == TEST], mask=test.users < prepared.shape.users)
    names = log.user_ids.take(codes)
    told = {**test.columns, STRANGER: names.dictionary_encode()}
    if prepared.people is not None and users is not None:
        known = read_people(names, users, prepared.people.learned)
        told |= {f"{STRANGER}/{name}": known[name].combine_chunks() for name in known.column_names}
    return replace(prepared, parts=(train, valid, replace(test, columns=told)))


def _columns(log: CodedLog, rows: NDArray[np.int64]) -> dict[str, pa.Array]:
    known = {"weight": log.weights, "session": log.sessions}
    return {name: pa.array(values[rows]) for name, values in known.items() if values is not None}


def _vocabulary(codes: NDArray[np.int32], train: NDArray[np.int64], ids: pa.Array) -> tuple[pa.Array, NDArray[np.int32]]:
    """The ids that train holds, in byte order, and each code's new number; the cold ones get the first free one."""
    known = np.zeros(len(ids), dtype=np.bool_)
    known[codes[train]] = True
    numbers = np.cumsum(known, dtype=np.int32) - np.int32(1)
    numbers[~known] = known.sum()
    return ids.filter(pa.array(known)), numbers
