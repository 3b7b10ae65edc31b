"""What carrying tastes over from another domain gains and costs, by group of users, against each domain by itself.

``python -m benchmarks.transfer planted control video game`` trains the recipes of ``pipelines/planted-domains.toml`` with
shared tastes and with none, and those of ``pipelines/cross-domain.toml`` in both directions (real data, found through
RECSYS_CL_REAL_DATA), and writes ``benchmarks/results/transfer-NAME.json``: for every recipe its means, and the difference of
ndcg@20 to ``target-only``, user by user, over all users and by group, with 95 % intervals.

``switch`` is what validation recommends: for each group of users by where they are known from, the recipe or ``target-only``,
whichever was better for that group in validation.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recsys_cl.config import Pipeline, Recipe, load_pipeline
from recsys_cl.core.chance import generator
from recsys_cl.core.protocols import Stage
from recsys_cl.evaluation.candidates import Candidates, candidates_of
from recsys_cl.evaluation.compare import compare_all
from recsys_cl.evaluation.divisions import candidates_met, known_from
from recsys_cl.evaluation.judge import Judge
from recsys_cl.evaluation.segments import Division
from recsys_cl.evaluation.settings import build_metrics
from recsys_cl.ingest.dataset import load_features, load_interactions, load_shape, select_items
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.evaluate import EvaluateStage
from recsys_cl.stages.ingest import IngestStage
from recsys_cl.stages.measured import read_measured
from recsys_cl.stages.prepare import PrepareStage
from recsys_cl.stages.runner import run_stages
from recsys_cl.stages.store import Store
from recsys_cl.stages.train import TrainStage
from recsys_cl.stages.verdict import load_weights

ROOT = Path(__file__).parent.parent
REAL_DATA = Path(os.environ.get("RECSYS_CL_REAL_DATA", "../shared/data"))
WORLDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "planted": ("planted-domains", ()),
    "control": ("planted-domains", ("ingest.source.tastes=own",)),
    "video": ("cross-domain", ()),
    "game": ("cross-domain", ("evaluation.candidates.domain=game",)),
}
BASE, METRIC = "target-only", "ndcg@20"
CPU = torch.device("cpu")


def run(pipeline: Pipeline, recipes: dict[str, Recipe], folder: Path) -> dict[str, Path]:
    """Everything up to the evaluations; the folders by artifact."""
    how, where, seed = pipeline.evaluation, pipeline.runtime, pipeline.seed
    stages: list[Stage] = [
        IngestStage(pipeline.ingest, seed),
        PrepareStage(pipeline.prepare),
        *(TrainStage(name, recipe, how, where, seed) for name, recipe in recipes.items()),
        *(EvaluateStage(name, recipe, how, where, seed) for name, recipe in recipes.items()),
    ]
    told = run_stages(
        stages, Store(folder), lambda name, status, seconds: print(f"  {name} {status} {seconds:.1f} s", flush=True)
    )
    return {name: artifact.path for name, artifact in told.artifacts.items()}


def groups(users: torch.Tensor, artifacts: dict[str, Path], pipeline: Pipeline) -> list[Division]:
    """How ``users`` are divided: by where they are known from, and by how many candidates they met."""
    shape = load_shape(artifacts["vocabulary"])
    train, valid = (load_interactions(artifacts[part], shape) for part in ("train", "valid"))
    known = train if pipeline.evaluation.history == "train" else train.then(valid)
    candidates = _candidates(artifacts, pipeline)
    return [known_from(users, known, candidates), candidates_met(users, known, candidates)]


def validated(name: str, recipe: Recipe, artifacts: dict[str, Path], pipeline: Pipeline) -> dict[str, float]:
    """The validation metric of a trained recipe for each group by where users are known from."""
    shape = load_shape(artifacts["vocabulary"])
    train, valid = (load_interactions(artifacts[part], shape) for part in ("train", "valid"))
    made = assemble(recipe, train, pipeline.seed, CPU, load_features(artifacts["vocabulary"], shape))
    load_weights(made.method, artifacts[f"model/{name}"] / "weights.safetensors")
    candidates = _candidates(artifacts, pipeline)
    metrics = [metric for metric in build_metrics(pipeline.evaluation) if metric.name == METRIC]
    values = Judge(valid, train, metrics, candidates=candidates)(made.method, made.feed)[METRIC]
    division = known_from(torch.unique(candidates.among(valid).users), train, candidates)
    return {
        label: float(values[division.of == number].mean())
        for number, label in enumerate(division.labels)
        if bool((division.of == number).any())
    }


def _candidates(artifacts: dict[str, Path], pipeline: Pipeline) -> Candidates:
    asked, shape = pipeline.evaluation.candidates, load_shape(artifacts["vocabulary"])
    found = candidates_of(select_items(artifacts["vocabulary"], asked), shape.items, asked)
    assert found is not None, "these pipelines say which domain is ranked"
    return found


def differences(ours: np.ndarray, theirs: np.ndarray, divisions: list[Division]) -> list[dict[str, Any]]:
    """The paired difference over everybody and by group, with intervals; groups of fewer than two users are left out."""
    everybody = Division("everybody", ("all",), torch.zeros(len(ours), dtype=torch.int64))
    rows = []
    for division in (everybody, *divisions):
        for number, label in enumerate(division.labels):
            inside = (division.of == number).numpy()
            if inside.sum() < 2:
                continue
            [found] = compare_all((ours - theirs)[inside, None], generator(0, "transfer"), 2000)
            rows.append(
                {
                    "by": division.by,
                    "group": label,
                    "users": int(inside.sum()),
                    "mean": float(ours[inside].mean()),
                    "target_only": float(theirs[inside].mean()),
                    "difference": found.interval.mean,
                    "interval": [found.interval.low, found.interval.high],
                    "reliable": found.reliable,
                }
            )
    return rows


def measure(world: str, assignments: list[str], folder: Path) -> dict[str, Any]:
    """All recipes of one world."""
    name, more = WORLDS[world]
    pipeline = load_pipeline(ROOT / "pipelines" / f"{name}.toml", (*more, *assignments))
    recipes = {label: recipe for label, recipe in pipeline.recipes().items() if label != "recent-popular"}
    artifacts = run(pipeline, recipes, folder)
    measured = {label: read_measured(artifacts[f"evaluation/{label}"], label) for label in recipes}
    base = measured[BASE].values[METRIC]
    numbers = read_numbers(artifacts[f"evaluation/{BASE}"])
    divisions = groups(torch.tensor([numbers[user] for user in base.index]), artifacts, pipeline)
    own = validated(BASE, recipes[BASE], artifacts, pipeline)
    found: dict[str, Any] = {"world": world, "date": datetime.now(UTC).date().isoformat(), "metric": METRIC, "recipes": {}}
    for label, each in measured.items():
        values = each.values[METRIC].to_numpy()
        found["recipes"][label] = {
            "means": each.means(),
            "against_target_only": differences(values, base.to_numpy(), divisions),
        }
        if label not in (BASE, "popular"):
            theirs = validated(label, recipes[label], artifacts, pipeline)
            better = [theirs.get(group, 0.0) > own.get(group, 0.0) for group in divisions[0].labels]
            switched = np.where(np.array(better)[divisions[0].of.numpy()], values, base.to_numpy())
            taken = [group for group, yes in zip(divisions[0].labels, better, strict=True) if yes]
            found["recipes"][label]["switch"] = {"taken_for": taken, "rows": differences(switched, base.to_numpy(), divisions)}
    return found


def read_numbers(folder: Path) -> dict[str, int]:
    """Each evaluated user's number by the text of their id."""
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "per_user.parquet", columns=["user", "user_id"])
    return dict(zip(table["user_id"].to_pylist(), table["user"].to_pylist(), strict=True))


def main() -> None:
    """Measure the worlds that were asked for, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", nargs="*", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for recsys-cl run")
    parser.add_argument("--store", type=Path, help="where stages are kept, to go on from; by default nowhere")
    asked = parser.parse_args()
    for world in asked.worlds:
        if WORLDS[world][0] == "cross-domain" and not (REAL_DATA / "cdrib_game_video").is_dir():
            print(f"{world}: left out, there is no cdrib_game_video under {REAL_DATA}")
            continue
        with tempfile.TemporaryDirectory() as scratch:
            found = measure(world, asked.set, (asked.store or Path(scratch)) / WORLDS[world][0])
        out = Path(__file__).parent / "results" / f"transfer-{world}.json"
        out.write_text(json.dumps(found | {"settings": asked.set}, indent=1) + "\n", encoding="utf-8")
        print(world, METRIC)
        for label, told in found["recipes"].items():
            for row in told["against_target_only"]:
                low, high = row["interval"]
                mark = "" if row["reliable"] else " ?"
                who = f"{label:18} {row['by']:15} {row['group']:12} {row['users']:6}"
                print(f"{who} {row['mean']:.4f} {row['difference']:+.4f} [{low:+.4f}, {high:+.4f}]{mark}")


if __name__ == "__main__":
    main()
