"""What people get of whom nothing is in train, by how many items they are known: the n-shot curve of any model.

Each is asked for as a service would be asked: a history, and the whole catalogue ranked. The first items of a stranger are the
support, as many as the largest of ``[evaluation] shots``; what follows is asked for, the same for every number of shots. Of the
support the newest n that the catalogue knows are told, and none of it is recommended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import write_json
from recsys_cl.core.protocols import Metric
from recsys_cl.core.values import Interactions, ItemFeatures, Ragged
from recsys_cl.evaluation.held_out import HeldOut, hold_out
from recsys_cl.evaluation.measure import measure
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ingest.strangers import Strangers, load_strangers
from recsys_cl.stages.as_served import as_served
from recsys_cl.stages.bundle import bundle_of, known_before_test
from recsys_cl.stages.verdict import Verdict, vectors_of

if TYPE_CHECKING:
    from recsys_cl.serving.bundle import Bundle

VALUES, MEANS = "per_stranger.parquet", "strangers.json"


def write_strangers(verdict: Verdict, name: str, reads: Mapping[str, Path], evaluation: Evaluation, folder: Path) -> None:
    """Write ``per_stranger.parquet`` (``user_id``, ``shots``, ``held_out``, metrics) and ``strangers.json``, the means.

    Args:
        verdict: of the model on the test part.
        name: of the experiment.
        reads: the artifacts: the data set and ``model/NAME``.
        evaluation: how many shots; metrics, as far as they read the ranking and what is popular.
        folder: where.

    Raises:
        Refused: the test part holds no strangers, none with more items than the support, or vectors too long to be kept.
    """
    known = known_before_test(reads)
    strangers = load_strangers(reads["test"], known.shape)
    if strangers is None:
        raise Refused('evaluation.shots: the test part tells of no strangers; hold some out with prepare.split = "user_cold"')
    bundle = bundle_of(name, reads, vectors_of(verdict.encoding, verdict.fold), known, verdict.means())
    metrics = [metric for metric in build_metrics(evaluation) if set(metric.reads) <= {"popularity"}]
    asked, held_out = asked_of(strangers, max(evaluation.shots), known, exclude_seen=evaluation.exclude_seen)
    ids = [strangers.ids[user] for user in asked.tolist()]
    about = None if strangers.about is None else strangers.about.take(asked)
    tables, means = [], {}
    for shots in sorted(set(evaluation.shots)):
        values = ask(bundle, ids, held_out, shots, metrics, evaluation.budget, name, about)
        columns = {metric: pa.array(each.numpy()) for metric, each in values.items()}
        facts = {"user_id": pa.array(ids), "shots": pa.array([shots] * len(ids), pa.int32())}
        tables.append(pa.table({**facts, "held_out": pa.array(held_out.truth.lengths.numpy()), **columns}))
        means[str(shots)] = {metric: float(each.mean()) for metric, each in values.items()}
    pq.write_table(pa.concat_tables(tables), folder / VALUES, write_page_checksum=True)
    told: dict[str, Any] = {"strangers": len(ids), "left_out": len(strangers.ids) - len(ids), "support": max(evaluation.shots)}
    write_json(folder / MEANS, {**told, "shots": means})


def ask(
    bundle: Bundle,
    ids: Sequence[str],
    held_out: HeldOut,
    shots: int,
    metrics: Sequence[Metric],
    budget: int,
    name: str,
    about: ItemFeatures | None = None,
) -> dict[str, Tensor]:
    """Every metric's values [G], when each of G strangers is known by their newest ``shots`` items and ``about``."""
    histories = held_out.history
    kept = (histories.offsets[1:, None] - torch.arange(shots, 0, -1)).flatten()
    inside = kept >= histories.offsets[:-1].repeat_interleave(shots)
    lengths = inside.view(-1, shots).sum(1) if shots else torch.zeros(len(ids), dtype=torch.int64)
    told = Ragged(histories.values[kept[inside]], torch.cat((lengths.new_zeros(1), lengths.cumsum(0))))
    return measure(as_served(bundle, ids, told, about), held_out, metrics, budget, name).values


def asked_of(strangers: Strangers, support: int, known: Interactions, *, exclude_seen: bool) -> tuple[Tensor, HeldOut]:
    """The strangers with more than ``support`` items, and what is told and asked of each; popularity is that of ``known``."""
    met = strangers.met
    lengths = torch.bincount(met.users, minlength=met.shape.users)
    enough = lengths > support
    if not bool(enough.any()):
        most = int(lengths.max()) if len(lengths) else 0
        raise Refused(
            f"evaluation.shots: {support} are more than any stranger has beside what is asked for; the most is {most - 1}"
        )
    order = torch.argsort(met.users, stable=True)
    starts = torch.cat((lengths.new_zeros(1), lengths.cumsum(0)))[:-1]
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order)) - starts.repeat_interleave(lengths)
    first, rest = (enough[met.users] & side for side in (place < support, place >= support))
    told = first & (met.items < met.shape.items)
    held_out = hold_out(_some(met, rest), _some(met, told), exclude_seen=exclude_seen)
    popularity = torch.bincount(known.items, minlength=known.shape.items)
    rows = held_out.users
    return rows, HeldOut(rows, held_out.truth, held_out.seen, held_out.history, popularity)


def _some(met: Interactions, rows: Tensor) -> Interactions:
    return Interactions(met.shape, met.users[rows], met.items[rows], met.times[rows])
