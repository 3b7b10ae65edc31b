"""Every recipe of a pipeline, paired with one of them: what content, or what other behaviour, is worth.

``python -m benchmarks.recipes PIPELINE --base target-only`` runs the pipeline up to its evaluations and writes
``benchmarks/results/recipes_PIPELINE.json``: of each recipe the validation score that chose its epoch, its means on the test
part, and the difference to the base, user by user, with 95 % intervals, and to each further base that is named. By default the
base is, of the recipes that read ids alone, the one that validation prefers.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import keep
from benchmarks.transfer import run
from recsys_cl.config import load_pipeline
from recsys_cl.core.chance import generator
from recsys_cl.core.errors import nearest
from recsys_cl.evaluation.compare import compare_all
from recsys_cl.stages.measured import Measured, read_measured

IDS_ALONE = ("lightgcn", "xsimgcl", "sasrec-softmax")
METRICS = ("recall@20", "ndcg@20")


def against(ours: Measured, theirs: Measured, metric: str) -> dict[str, Any]:
    """The mean of ``ours``, and its paired difference to ``theirs`` with its interval."""
    values, base = (each.values[metric].to_numpy() for each in (ours, theirs))
    [found] = compare_all((values - base)[:, None], generator(0, "content"), 2000)
    interval = [round(float(each), 4) for each in (found.interval.mean, found.interval.low, found.interval.high)]
    return {"mean": round(float(np.mean(values)), 4), "difference": interval}


def main() -> None:
    """Everything for one pipeline."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--base", nargs="+", help="with which all others are compared; with further ones, too")
    parser.add_argument("--store", type=Path, help="where stages are kept, to go on from; by default nowhere")
    asked = parser.parse_args()
    pipeline = load_pipeline(asked.pipeline)
    recipes = pipeline.recipes()
    for name in asked.base or ():
        if name not in recipes:
            parser.error(f"--base: no recipe '{name}' in this pipeline; {nearest(name, recipes)}")
    with tempfile.TemporaryDirectory() as scratch:
        made = run(pipeline, recipes, (asked.store or Path(scratch)) / pipeline.name)
        summaries = {name: json.loads((made[f"model/{name}"] / "summary.json").read_text("utf-8")) for name in recipes}
        valid = {name: summary["valid"][pipeline.registry.metric] for name, summary in summaries.items()}
        base, *more = asked.base or [max((name for name in IDS_ALONE if name in recipes), key=lambda name: valid[name])]
        told = {name: read_measured(made[f"evaluation/{name}"], name) for name in recipes}
        receipt = json.loads((made["train"].parent / "receipt.json").read_text("utf-8"))
    figures = {
        name: {
            "valid": round(valid[name], 4),
            "epochs": summaries[name]["epochs"],
            **{metric: against(each, told[base], metric) for metric in METRICS},
            **{
                f"to {other}": {metric: against(each, told[other], metric)["difference"] for metric in METRICS}
                for other in more
            },
        }
        for name, each in told.items()
    }
    facts = {
        "command": f"python -m benchmarks.recipes {asked.pipeline}" + (f" --base {' '.join(asked.base)}" if asked.base else ""),
        "data": f"sha256:{receipt['reads']['interactions']}",
        "base": base,
        "users": len(told[base].values),
    }
    keep(f"recipes_{pipeline.name}", {**facts, "recipes": figures})


if __name__ == "__main__":
    main()
