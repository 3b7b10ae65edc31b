"""What the test part says of one model, and the folder that keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from recsys_cl.core.chance import generator
from recsys_cl.core.errors import Refused
from recsys_cl.core.files import write_json
from recsys_cl.core.protocols import Feed, Method, Metric
from recsys_cl.core.values import Encoding, Fold, Interactions, Ragged, Ranking
from recsys_cl.evaluation.candidates import Candidates
from recsys_cl.evaluation.divisions import cold_items
from recsys_cl.evaluation.encode import encode_all, fold_in
from recsys_cl.evaluation.held_out import HeldOut, hold_out
from recsys_cl.evaluation.measure import measure
from recsys_cl.evaluation.representation import representation
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ops.csr import is_sparse, stored, take
from recsys_cl.ops.ranks import ALONE, Ranks

PROTOCOL = {
    "candidates": "the whole catalogue: the items of the training data, and those let in for their content",
    "held out": "distinct known items, and every interaction with an item outside the vocabulary (always a miss)",
    "history": "everything in train and valid",
    "ties": "the smaller item number first, in the byte order of item ids",
    "users": "those of the training data with something held out; cold_users counts the interactions of all others",
}
"""How every metric was taken, whatever the metric."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """One model's full ranking of the test part."""

    held_out: HeldOut  # items are numbered among the candidates, where not all items are
    ranking: Ranking  # likewise
    scores: Tensor  # [U, K] of the ranked items
    encoding: Encoding  # of all users and items of the vocabulary
    fold: Fold | None  # how people outside it get a vector, where the method has a rule
    values: Mapping[str, Tensor]  # metric name -> [U]
    conventions: Mapping[str, str]
    candidates: Candidates | None = None  # None: all items were ranked

    @property
    def kept(self) -> bool:
        """Whether the vectors are kept: those as long as a large catalogue are not."""
        return not is_sparse(self.encoding.users)

    def means(self) -> dict[str, float]:
        """Every metric's mean over the users."""
        return {name: float(values.mean()) for name, values in self.values.items()}


def load_weights(method: Method[Any], path: Path) -> None:
    """Put trained weights into a freshly made method; every name and size must agree."""
    try:
        method.module.load_state_dict(load_file(path), strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise Refused(f"{path}: not the weights of this recipe and data: {error}") from error


def judge_test(
    method: Method[Any],
    feed: Feed[Any],
    test: Interactions,
    known: Interactions,
    evaluation: Evaluation,
    model: str,
    categories: Ragged | None = None,
    candidates: Candidates | None = None,
    *,
    ranks: Ranks = ALONE,
) -> Verdict:
    """Rank the catalogue for everyone with something in ``test``, by what was ``known`` before.

    Args:
        method: the trained model.
        feed: serves all users of the vocabulary.
        test: the held-out part.
        known: everything before it; left out of the lists if the settings say so.
        evaluation: metrics, depths, memory.
        model: its name, for messages.
        categories: of each item, for the metrics that read them.
        candidates: the items that are ranked; None: all are.
        ranks: processes with the same arguments, which rank some users each.
    """
    metrics = build_metrics(evaluation)
    truth, before = (test, known) if candidates is None else (candidates.among(test), candidates.among(known))
    held_out = hold_out(truth, before, exclude_seen=evaluation.exclude_seen)
    encoding = encode_all(method, feed, torch.arange(test.shape.users, device=test.users.device), ranks)
    if not torch.isfinite(stored(encoding.users)).all():
        raise Refused(f"{model}: user vectors are not finite")
    asking = Encoding(take(encoding.users, held_out.users), encoding.items)
    if candidates is not None:
        asking, categories = candidates.of(asking), candidates.rows(categories)
    found = measure(asking, held_out, metrics, evaluation.budget, model, categories, ranks)
    rules, fold = _conventions(metrics, evaluation, candidates), fold_in(method, feed)
    return Verdict(held_out, found.ranking, found.scores, encoding, fold, found.values, rules, candidates)


def write_verdict(verdict: Verdict, user_ids: Sequence[str], folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``metrics.json``, ``per_user.parquet``, ``recommendations.parquet`` and, if kept, ``vectors.safetensors``.

    Args:
        verdict: what to keep.
        user_ids: the vocabulary's, in id order.
        folder: where; made here.
        facts: what else ``metrics.json`` says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    users = verdict.held_out.users.cpu()
    cold = cold_items(verdict.held_out.popularity).of[verdict.held_out.truth.values]
    counts = {"users": len(users), "held_out": int(verdict.ranking.held_out.sum()), "cold_items": int(cold.sum())}
    write_json(folder / "metrics.json", {"test": verdict.means(), "conventions": dict(verdict.conventions), **counts, **facts})
    per_user = {"user": users.numpy(), "user_id": pa.array([user_ids[user] for user in users.tolist()], pa.string())}
    per_user |= {"held_out": verdict.ranking.held_out.cpu().numpy()}
    per_user |= {name: values.cpu().numpy() for name, values in verdict.values.items()}
    _write(pa.table(per_user), folder / "per_user.parquet")
    _write(_lists(verdict), folder / "recommendations.parquet")
    if verdict.kept:
        save_file(vectors_of(verdict.encoding, verdict.fold), folder / "vectors.safetensors")


def vectors_of(encoding: Encoding, fold: Fold | None) -> dict[str, Tensor]:
    """What ``vectors.safetensors`` holds: ``users`` [U, D], ``items`` [I, D]; with a rule, what is kept of it (`Fold`).

    Raises:
        Refused: the vectors are as long as a large catalogue.
    """
    if is_sparse(encoding.users):
        raise Refused(
            f"vectors of {encoding.users.shape[1]:,} numbers each are ranked and not kept: nothing can be served from them"
        )
    vectors = {"users": encoding.users, "items": encoding.items}
    if fold is not None:
        vectors |= fold.tensors()
    return {name: value.detach().float().cpu().contiguous() for name, value in vectors.items()}


def write_representation(verdict: Verdict, known: Interactions, categories: Ragged | None, seed: int, folder: Path) -> None:
    """Write ``representation.json``, where the vectors are kept: what those of all users and items are like."""
    if not verdict.kept:
        return
    encoding, rng = verdict.encoding, generator(seed, "representation")
    popularity = torch.bincount(known.items, minlength=known.shape.items)
    write_json(
        folder / "representation.json", representation(encoding.users, encoding.items, known, popularity, categories, rng)
    )


def count_rows(path: Path) -> int:
    """Rows of a Parquet file, those of cold users included."""
    return int(pq.read_metadata(path).num_rows)


def _lists(verdict: Verdict) -> pa.Table:
    """One row per user and rank, best first."""
    real = (verdict.ranking.items >= 0).cpu()
    row, place = real.nonzero(as_tuple=True)
    items = verdict.ranking.items.cpu()[real]
    items = items if verdict.candidates is None else verdict.candidates.items.cpu()[items]
    return pa.table(
        {
            "user": verdict.held_out.users.cpu()[row].numpy(),
            "rank": (place + 1).int().numpy(),
            "item": items.numpy(),
            "score": verdict.scores.cpu()[real].numpy(),
            "hit": verdict.ranking.hits.cpu()[real].numpy(),
        }
    )


def _conventions(metrics: Sequence[Metric], evaluation: Evaluation, candidates: Candidates | None) -> dict[str, str]:
    mask = "items of the history are never recommended" if evaluation.exclude_seen else "none: known items may come again"
    ranked = {} if candidates is None else {"candidates": f"all items of the training data with {candidates.told}"}
    before = {} if evaluation.history == "train+valid" else {"history": "everything in train"}
    return {
        **PROTOCOL,
        **ranked,
        **before,
        "mask": mask,
        **{metric.name.partition("@")[0]: metric.convention for metric in metrics},
    }


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, write_page_checksum=True)
