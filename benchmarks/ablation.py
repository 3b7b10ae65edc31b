"""``python -m benchmarks.ablation``: what each part of the default for histories is worth. Writes docs/sequence-default.md.

`average-softmax` is trained once as it is and once for each of ``CHANGES`` (a part away, another choice, a contrast), each
by the recipe's own plan and without a refit; settings are chosen by the validation column alone. Differences are paired user by
user on the test part. A run leaves ``results/ablation/DATA/NAME.json`` and is not run again while that is there and says the
same settings; a killed one goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.ablation_page import page
from benchmarks.backbone import compared
from benchmarks.frame import REAL
from benchmarks.measure import RESULTS, ROOT, machine
from recsys_cl.config import Experiment, Pipeline, load_pipeline, load_recipe

BASE = "average-softmax"
CONTRAST = {"use": "info_nce", "weight": 0.1, "between": "views", "sides": "users", "temperature": 0.2}
THREE = [{"use": "crop", "ratio": 0.6}, {"use": "mask", "ratio": 0.3}, {"use": "reorder", "ratio": 0.6}]
DOT = {"similarity": "dot", "temperature": 1.0}
CHANGES: Mapping[str, dict[str, Any]] = {
    "one-decay-0.7": {"encoder": {"decay": 0.7}},
    "no-decay": {"encoder": {"decay": 1.0}},
    "dim-64": {"encoder": {"dim": 64}},
    "no-dropout": {"encoder": {"dropout": 0.0}},
    "dot-product": {"objectives": {"softmax": DOT}, "method": {"similarity": "dot"}},
    "no-log-q": {"objectives": {"softmax": {"log_q": False}}},
    "constant-rate": {"training": {"schedule": "constant", "warmup": 0}},
    "in-batch-too": {"objectives": {"softmax": {"in_batch": True}}},
    "decays-0.5-0.9": {"encoder": {"decay": [0.5, 0.9]}},
    "with-same-target": {"views": [{"use": "identity"}, {"use": "same_target"}], "objectives": {"contrast": CONTRAST}},
    "with-crop-mask-reorder": {"views": [{"use": "one_of", "of": THREE}] * 2, "objectives": {"contrast": CONTRAST}},
}
"""What is changed in the recipe, by name."""

RUNS = RESULTS / "ablation"
PAGE = ROOT / "docs" / "sequence-default.md"
STORE = ROOT / "data" / "ablation"


def planned(path: Path, name: str, more: Sequence[str] = ()) -> Pipeline:
    """The pipeline at ``path`` with the default and one change of it as its experiments, neither refitted."""
    once = {"training": {"refit": False}}
    asked = [Experiment(recipe=BASE, set=once), Experiment(recipe=BASE, name=name, set=_laid(once, CHANGES[name]))]
    return load_pipeline(path, more).model_copy(update={"experiments": tuple(asked)})


def _laid(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """``other`` over ``one``, two levels deep."""
    both = {key: {**one[key], **other[key]} for key in one.keys() & other.keys()}
    return {**one, **other, **both}


def run(data: str, names: Sequence[str], pipeline: Path, more: Sequence[str] = ()) -> None:
    """Measure what is missing of one data set, keep each, write the page after each."""
    base = {key: part for key, part in load_recipe(BASE).settings().items() if key != "provenance"}
    for name in names:
        path = RUNS / data / f"{name}.json"
        if path.exists() and json.loads(path.read_text("utf-8"))["base"] == base:
            print(f"{path.relative_to(RUNS)}: there already")
            continue
        (home := STORE / data).mkdir(parents=True, exist_ok=True)
        record = {
            "machine": machine(),
            "date": datetime.now(UTC).date().isoformat(),
            "command": f"python -m benchmarks.ablation --data {data}",
            "name": name,
            "set": CHANGES[name],
            "base": base,
            **compared(planned(pipeline, name, more), (name, BASE), home),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        PAGE.write_text(page(RUNS), "utf-8")


def main() -> None:
    """Read what is asked for, run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=CHANGES, default=tuple(CHANGES), metavar="CHANGE")
    parser.add_argument("--data", nargs="+", choices=("beauty", "toys"), default=("beauty", "toys"))
    parser.add_argument("--table", action="store_true", help="only write the page from what is there")
    asked = parser.parse_args()
    for data in () if asked.table else asked.data:
        if not (REAL / data).is_dir():
            print(f"{data}: left out, {REAL / data} is absent (set RECSYS_CL_REAL_DATA)")
            continue
        run(data, asked.only, ROOT / "pipelines" / f"{data}.toml")
    PAGE.write_text(page(RUNS), "utf-8")


if __name__ == "__main__":
    main()
