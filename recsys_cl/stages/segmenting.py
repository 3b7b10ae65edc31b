"""A model's verdict, segment by segment: the table, and the values per user that a comparison pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.files import write_json
from recsys_cl.core.values import Interactions
from recsys_cl.evaluation.divisions import (
    candidates_met,
    cold_items,
    column,
    history_length,
    item_age,
    item_popularity,
    known_from,
    who_gets_cold_items,
)
from recsys_cl.evaluation.segments import Division, Segment, about_hits, item_segments, user_segments
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ingest.dataset import first_categories, load_items, load_users
from recsys_cl.stages.verdict import Verdict


def segments_of(
    verdict: Verdict, train: Interactions, known: Interactions, vocabulary: Path, evaluation: Evaluation, cold_users: int
) -> list[Segment]:
    """All segments of one model.

    Args:
        verdict: of the model.
        train: by what is popular and what is new is decided.
        known: train and valid: the users' histories.
        vocabulary: the folder with the columns of users and items.
        evaluation: which metrics, and which columns besides.
        cold_users: interactions of users who are not in the vocabulary; nobody can rank for them.

    Raises:
        Refused: ``evaluation.segments`` names an unknown column, or one that cannot be divided by.
    """
    ranking, held_out = verdict.ranking, verdict.held_out
    metrics = about_hits(build_metrics(evaluation), ranking)
    items = [item_popularity(train), item_age(train), cold_items(torch.bincount(known.items, minlength=known.shape.items))]
    users = [history_length(held_out.users, known)]
    users += [who_gets_cold_items(ranking.cold.held_out)] if ranking.cold is not None else []
    if (ranked := verdict.candidates) is not None:
        users += [known_from(held_out.users, known, ranked), candidates_met(held_out.users, known, ranked)]
    for division, of_items in _columns(vocabulary, evaluation):
        (items if of_items else users).append(division if of_items else replace(division, of=division.of[held_out.users.cpu()]))
    found: list[Segment] = []
    for division in items:
        there = replace(division, of=division.of.to(ranking.items.device))
        there = there if ranked is None else ranked.divide(there)
        found += item_segments(there, ranking, held_out.truth, metrics)
    for division in users:
        there = replace(division, of=division.of.to(ranking.items.device))
        found += user_segments(there, verdict.values, ranking.held_out)
    return found + _cold_users(verdict, cold_users)


def write_segments(segments: Sequence[Segment], verdict: Verdict, user_ids: Sequence[str], folder: Path) -> None:
    """Write ``segments.json``, a list of rows, and ``per_segment.parquet``, the values per user that the rows average.

    The latter has ``by``, ``segment``, ``user_id``, ``held_out`` and a float64 column per metric, null where a metric does not
    speak of segments of items.
    """
    write_json(folder / "segments.json", [segment.as_json() for segment in segments])
    ids = pa.array([user_ids[user] for user in verdict.held_out.users.tolist()], pa.string())
    schema = pa.schema(
        [
            *((name, pa.dictionary(pa.int32(), pa.string())) for name in ("by", "segment")),
            *(("user_id", pa.string()), ("held_out", pa.int64())),
            *((name, pa.float64()) for name in verdict.values),
        ]
    )
    with pq.ParquetWriter(folder / "per_segment.parquet", schema, compression="zstd", write_page_checksum=True) as file:
        for segment in segments:
            if len(segment.rows):
                file.write_table(_table(segment, ids, schema))


def _table(segment: Segment, ids: pa.Array, schema: pa.Schema) -> pa.Table:
    count = len(segment.rows)
    values = {name: pa.array(each.cpu().numpy()) for name, each in segment.values.items()}
    told = {
        "by": pa.array([segment.by] * count).dictionary_encode(),
        "segment": pa.array([segment.segment] * count).dictionary_encode(),
        "user_id": ids.take(pa.array(segment.rows.cpu().numpy())),
        "held_out": pa.array(segment.held_out.cpu().numpy()),
        **values,
    }
    columns = [told.get(field.name, pa.nulls(count, field.type)) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _columns(vocabulary: Path, evaluation: Evaluation) -> Iterator[tuple[Division, bool]]:
    """A division for each column asked for, and whether it divides items, else users; of categories the first counts."""
    tables = ((load_items(vocabulary), True), (load_users(vocabulary), False))
    for number, name in enumerate(evaluation.segments):
        frame, of_items = next(((frame, of_items) for frame, of_items in tables if name in frame), (None, False))
        if frame is None:
            known = [str(column) for frame, _ in tables for column in frame.columns]
            raise Refused(f"evaluation.segments.{number}: neither items nor users have '{name}'; {nearest(name, known)}")
        several = of_items and name == evaluation.category
        values = first_categories(frame, name, evaluation.category_separator) if several else frame[name]
        try:
            yield column(values, outside=of_items), of_items
        except Refused as problem:
            raise Refused(f"evaluation.segments.{number}: '{name}': {problem}") from problem


def _cold_users(verdict: Verdict, interactions: int) -> list[Segment]:
    """Those who were ranked for, and those who could not be: of the latter only interactions are known."""
    held_out = verdict.ranking.held_out
    everyone = Division("cold users", ("known", "cold"), torch.zeros_like(held_out))
    known, cold = user_segments(everyone, verdict.values, held_out)
    return [known, replace(cold, unranked=interactions)]
