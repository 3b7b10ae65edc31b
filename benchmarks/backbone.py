"""``python -m benchmarks.backbone``: does contrast still help where the backbone is strong? Writes docs/contrast-on-softmax.md.

The views, contrastive terms and training dynamics of each contrastive sequence recipe are laid over `sasrec-softmax`, whose
encoder, loss, negatives, batches and training plan all of them share; nothing else differs. Each is compared with the plain
backbone user by user on the same test part. ``--epochs N`` gives all of them N epochs on a cosine schedule instead of the
recipe's own plan, with less dropout and smaller first vectors of items, and is said on the page. A run leaves
``results/backbone/DATA/BUDGET/NAME.json`` and is not run again while that is there; a killed one goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.backbone_page import page
from benchmarks.frame import REAL
from benchmarks.measure import RESULTS, ROOT, machine
from recsys_cl.config import Experiment, Pipeline, load_pipeline, load_recipe
from recsys_cl.core.chance import generator
from recsys_cl.stages.duel import compare_two
from recsys_cl.stages.measured import read_measured
from recsys_cl.stages.pipeline import stages_of
from recsys_cl.stages.runner import run_stages
from recsys_cl.stages.store import COST, Store
from recsys_cl.stages.tracking import Tracking

BACKBONE = "sasrec-softmax"
CONTRASTS = (
    *("cl4srec", "coserec", "coserec-cosine", "duorec", "duorec-dot", "iclrec", "iclrec-dot"),
    *("mclrec-style", "mclrec-style-cosine"),
)
MEASURES: dict[str, dict[str, Any]] = {
    "-cosine": {"similarity": "cosine", "temperature": 0.2},
    "-dot": {"similarity": "dot", "temperature": 1.0},
}
"""How the contrast of a name with this end compares; dot products of states that cosine scores leave long are large."""

NEXT_ITEM = frozenset({"bce", "gbce", "softmax"})
"""Objectives that say what comes next: of these the backbone has its own."""

METRICS = ("ndcg@10", "hit_rate@10")
RUNS = RESULTS / "backbone"
PAGE = ROOT / "docs" / "contrast-on-softmax.md"
STORE = ROOT / "data" / "backbone"


def apart(contrast: str) -> tuple[str, dict[str, Any]]:
    """The recipe of a contrast's name, and how the name's end says that its contrast compares, if it does."""
    for end, other in MEASURES.items():
        if contrast.endswith(end):
            return contrast.removesuffix(end), other
    return contrast, {}


def added(recipe: str) -> dict[str, Any]:
    """What a contrastive recipe adds to the backbone: views, the terms that read them, and how it is trained."""
    name, other = apart(recipe)
    theirs, plain = load_recipe(name).settings(), load_recipe(BACKBONE).settings()
    terms = {key: {**term, **other} for key, term in theirs["objectives"].items() if term["use"] not in NEXT_ITEM}
    changes: dict[str, Any] = {"views": theirs["views"], "objectives": terms}
    if theirs["method"]["use"] != plain["method"]["use"]:
        compare = {key: other[given] for key, given in (("compare", "similarity"), ("temperature", "temperature")) if other}
        changes["method"] = {**theirs["method"], **compare, "similarity": plain["method"]["similarity"]}
    return changes


def budget(epochs: int | None) -> dict[str, Any]:
    """The same plan for all: the backbone's own, refitted on train + valid, or so many epochs, the last one taken."""
    if epochs is None:
        return {"training": {"refit": True}}
    short = {"epochs": epochs, "schedule": "cosine", "warmup": 1, "evaluate_every": epochs, "patience": None, "refit": False}
    return {"training": short, "encoder": {"dropout": 0.3, "spread": 0.02}}  # of few epochs, which learn faster so


def planned(path: Path, names: Sequence[str], epochs: int | None, more: Sequence[str] = ()) -> Pipeline:
    """The pipeline at ``path`` with the backbone and the contrasts ``names`` as its experiments."""
    pipeline = load_pipeline(path, more)
    asked = [Experiment(recipe=BACKBONE, set=budget(epochs))]
    asked += [Experiment(recipe=BACKBONE, name=f"with-{name}", set={**added(name), **budget(epochs)}) for name in names]
    return pipeline.model_copy(update={"experiments": tuple(asked)})


def compared(pipeline: Pipeline, labels: tuple[str, str], home: Path, metrics: Sequence[str]) -> dict[str, Any]:
    """Train and evaluate both experiments of ``labels``, or find it done; the first minus the second, by ``metrics``."""
    tracking = Tracking(f"{pipeline.name}-compared", home, f"sqlite:///{home}/mlruns/mlflow.db")
    store = Store(home / "data" / pipeline.name)
    made = run_stages(stages_of(pipeline, tracking), store, _told, until="evaluate").artifacts
    ours, theirs = (read_measured(made[f"evaluation/{label}"].path, label) for label in labels)
    found = compare_two(ours, theirs, (), (), generator(pipeline.seed, "backbone"))
    folders = [made[f"model/{label}"].path for label in labels]
    summaries, costs = ([json.loads((each / name).read_text("utf-8")) for each in folders] for name in ("summary.json", COST))
    return {
        "users": found["users"],
        "digests": found["b"]["digests"],
        "epochs": [summary["epochs"] for summary in summaries],
        "train_seconds": [cost["seconds"] for cost in costs],
        "valid": [{metric: summary["valid"][metric] for metric in metrics} for summary in summaries],
        "metrics": [row for row in found["metrics"] if row["metric"] in metrics],
    }


def _told(stage: str, status: str, seconds: float) -> None:
    print(f"{stage}: {status}" + (f" {seconds:.0f} s" if status == "done" else ""), flush=True)


def run(data: str, names: Sequence[str], epochs: int | None, pipeline: Path, more: Sequence[str] = ()) -> None:
    """Measure what is missing of one data set, keep each, write the page after each."""
    label = "plan" if epochs is None else f"{epochs}-epochs"
    for name in names:
        path = RUNS / data / label / f"{name}.json"
        if path.exists():
            print(f"{path.relative_to(RUNS)}: there already")
            continue
        (home := STORE / data).mkdir(parents=True, exist_ok=True)
        record = {
            "machine": machine(),
            "date": datetime.now(UTC).date().isoformat(),
            "command": f"python -m benchmarks.backbone --data {data}" + (f" --epochs {epochs}" if epochs else ""),
            "contrast": name,
            "set": added(name),
            **compared(planned(pipeline, [name], epochs, more), (f"with-{name}", BACKBONE), home, METRICS),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        PAGE.write_text(page(RUNS), "utf-8")


def main() -> None:
    """Read what is asked for, run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CONTRASTS, default=CONTRASTS, metavar="CONTRAST")
    parser.add_argument("--data", nargs="+", choices=("beauty", "toys"), default=("beauty", "toys"))
    parser.add_argument("--epochs", type=int, help="the same few for all; by default the backbone's own plan, refitted")
    parser.add_argument("--table", action="store_true", help="only write the page from what is there")
    asked = parser.parse_args()
    for data in () if asked.table else asked.data:
        if not (REAL / data).is_dir():
            print(f"{data}: left out, {REAL / data} is absent (set RECSYS_CL_REAL_DATA)")
            continue
        run(data, asked.only, asked.epochs, ROOT / "pipelines" / f"{data}.toml")
    PAGE.write_text(page(RUNS), "utf-8")


if __name__ == "__main__":
    main()
