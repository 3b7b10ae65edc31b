"""``make reproduce-sequence`` and ``make reproduce-graph``: published recipes on published data, by the ordinary pipeline.

``python -m benchmarks.reproduce sequence [--only RECIPE ...] [--data beauty ...]`` runs ``recsys-cl run pipelines/DATA.toml``
for one recipe and data set after the other: the epoch is chosen on validation, then trained afresh on train + valid. Each run
leaves ``results/reproduce/DATA/RECIPE.json`` and is not run again while that is there (``--again`` does); a killed one goes
on from its checkpoint. ``--set KEY=VALUE --label NAME`` runs a variant beside the recipe, ``--seeds N`` each with N seeds.
``--on-test`` shows, to be set beside papers that selected so, what the epoch that is best on test would have given, and keeps
it in ``on-test/`` beside the record. ``docs/results.md`` is written from all of them, after every run, or by ``--table``.
"""

from __future__ import annotations

import argparse
import json
import shlex
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.frame import REAL
from benchmarks.measure import ROOT, Measured, command, machine
from benchmarks.on_test import best_on_test
from benchmarks.reproduced import ON_TEST, RUNS, page
from recsys_cl.config import load_recipe, recipe_names

DATA = {"sequence": ("beauty", "toys"), "graph": ("gowalla", "yelp2018")}
"""Where each family's papers measured; a pipeline of that name says how it is read and split."""

BASELINES = {"sequence": (), "graph": ("popular", "item-knn", "puresvd", "ials", "ease")}
"""What stands in a family's tables beside its recipes; of graphs, what BARS measured on the same data, and more."""

PAGE = ROOT / "docs" / "results.md"
STORE = ROOT / "data" / "reproduce"


def recipes(family: str) -> list[str]:
    """The family's recipes that come with the package, then its baselines."""
    return [*(name for name in recipe_names() if load_recipe(name).family == family), *BASELINES[family]]


def assignments(recipe: str, more: list[str]) -> list[str]:
    """What is laid over the pipeline: this recipe alone, refitted, and what was asked for."""
    return [f'experiments=[{{recipe = "{recipe}"}}]', "override.training.refit=true", *more]


def typed(changes: list[str]) -> list[str]:
    """The changes as a command's arguments."""
    return [part for change in changes for part in ("--set", change)]


def reproduce(family: str, recipe: str, data: str, label: str, more: list[str]) -> dict[str, Any]:
    """One recipe on one data set, measured; the record that is kept."""
    (folder := STORE / data).mkdir(parents=True, exist_ok=True)
    asked = ["run", f"pipelines/{data}.toml", "--only", "report", *typed(assignments(recipe, more))]  # nothing is registered
    measured = command(*asked, "--data-dir", str(folder / "data"), folder=folder)
    return {
        **_about(family, recipe, data, label),
        "command": shlex.join(["recsys-cl", *asked]),
        "seconds": round(measured.seconds, 1),
        "peak_mib": round(measured.peak_mib),
        **_found(measured, recipe),
    }


def on_test(family: str, recipe: str, data: str, label: str, more: list[str]) -> dict[str, Any]:
    """The same with the epoch that is best on test; the record that is kept."""
    (folder := STORE / data).mkdir(parents=True, exist_ok=True)
    began = perf_counter()
    found = best_on_test(ROOT / "pipelines" / f"{data}.toml", recipe, assignments(recipe, more), folder / "data")
    asked = [family, "--only", recipe, "--data", data, "--on-test", *typed(more), *(["--label", label] if label else [])]
    return {
        **_about(family, recipe, data, label),
        "command": shlex.join(["python", "-m", "benchmarks.reproduce", *asked]),
        "seconds": round(perf_counter() - began, 1),
        **found,
    }


def _about(family: str, recipe: str, data: str, label: str) -> dict[str, Any]:
    today = datetime.now(UTC).date().isoformat()
    return {"machine": machine(), "date": today, "family": family, "recipe": recipe, "label": label, "data": data}


def _found(measured: Measured, recipe: str) -> dict[str, Any]:
    report = json.loads(Path(measured.answer["report"]).with_name("report.json").read_text("utf-8"))
    row = next(row for row in measured.answer["experiments"] if row["recipe"] == recipe)
    digests = {name: digest for name, digest in report["facts"].items() if "sha256" in name}
    return {"digests": digests, **{key: row[key] for key in ("epochs", "train_seconds", "valid", "test")}}


def variants(label: str, changes: list[str], seeds: int) -> list[tuple[str, list[str]]]:
    """What is asked for with seeds 1, that of the pipeline, to ``seeds``: each label and its changes."""
    more = range(2, seeds + 1)
    return [(label, changes), *((f"{label} seed {seed}".strip(), [*changes, f"seed={seed}"]) for seed in more)]


def main() -> None:
    """Run what is missing, keep it, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=sorted(DATA))
    parser.add_argument("--only", nargs="+", metavar="RECIPE")
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
    parser.add_argument("--label", default="", help="what a variant made by --set is called")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="train with seeds 1 to N")
    parser.add_argument("--again", action="store_true", help="measure again what has been measured")
    parser.add_argument("--on-test", action="store_true", help="the epoch that is best on test, only to be compared")
    parser.add_argument("--table", action="store_true", help="only write the page from what is there")
    asked = parser.parse_args()
    if asked.changes and not asked.label:
        parser.error("--set makes a variant: give it a --label")
    known = recipes(asked.family)
    for name in asked.only or ():
        if name not in known:
            parser.error(f"no {asked.family} recipe '{name}'; valid: {', '.join(known)}")
    for data in [] if asked.table else asked.data or DATA[asked.family]:
        if not (REAL / data).is_dir():
            print(f"{data}: left out, {REAL / data} is absent (set RECSYS_CL_REAL_DATA)")
            continue
        for recipe, (label, changes) in product(asked.only or known, variants(asked.label, asked.changes, asked.seeds)):
            folder = RUNS / data / ON_TEST if asked.on_test else RUNS / data
            path = folder / f"{recipe}{'@' + label.replace(' ', '-') if label else ''}.json"
            if path.exists() and not asked.again:
                print(f"{path.relative_to(RUNS)}: there already")
                continue
            record = (on_test if asked.on_test else reproduce)(asked.family, recipe, data, label, changes)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
            PAGE.write_text(page(), "utf-8")
            print(f"{path.relative_to(RUNS)}: {record['epochs']} epochs, {record['seconds']} s, {record['test']}")
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
