"""``python -m benchmarks.ablation``: what each part of the defaults for histories and for graphs is worth.

A default is trained once as it is and once for each of its changes (a part away, another choice, a contrast), each by the
recipe's own plan and without a refit; settings are chosen by the validation column alone. Differences are paired user by user
on the test part. ``--data`` says which default is meant, see ``defaults.py``; each has a page of its own. A run leaves
``results/ablation/DATA/NAME.json`` and is not run again while that is there and says the same settings; a killed one goes on
from its checkpoint.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.ablation_page import page
from benchmarks.backbone import compared
from benchmarks.defaults import DEFAULTS, Default, default_of
from benchmarks.frame import REAL
from benchmarks.measure import RESULTS, ROOT, machine
from recsys_cl.config import Experiment, Pipeline, alter, load_pipeline, load_recipe
from recsys_cl.core.toml import merge

RUNS = RESULTS / "ablation"
STORE = ROOT / "data" / "ablation"


def planned(default: Default, path: Path, name: str, more: Sequence[str] = ()) -> Pipeline:
    """The pipeline at ``path``, named for its data, with the default and one change of it as its experiments, not refitted."""
    once = merge(default.there.get(path.stem, {}), {"training": {"refit": False}})
    plain = Experiment(recipe=default.recipe, set=once)
    changed = Experiment(recipe=default.recipe, name=name, set=merge(once, default.changes[name]))
    return load_pipeline(path, more).model_copy(update={"experiments": (plain, changed)})


def run(default: Default, data: str, names: Sequence[str], pipeline: Path, more: Sequence[str] = ()) -> None:
    """Measure what is missing of one data set, keep each, write the page after each."""
    recipe = alter(load_recipe(default.recipe), default.there.get(data, {}), f"benchmarks.defaults: {data}")
    base = {key: part for key, part in recipe.settings().items() if key != "provenance"}
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
            "set": default.changes[name],
            "base": base,
            **compared(planned(default, pipeline, name, more), (name, default.recipe), home, default.metrics),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        told(default)


def told(default: Default) -> None:
    """Write the default's page from what is there; without a record there is nothing to tell."""
    if any(path for data in default.data for path in (RUNS / data).glob("*.json")):
        default.page.write_text(page(default, RUNS), "utf-8")


def main() -> None:
    """Read what is asked for, run what is missing."""
    known = [data for default in DEFAULTS for data in default.data]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="CHANGE")
    parser.add_argument("--data", nargs="+", choices=known, default=known)
    parser.add_argument("--table", action="store_true", help="only write the pages from what is there")
    asked = parser.parse_args()
    changes = sorted({name for data in asked.data for name in default_of(data).changes})
    for name in asked.only or ():
        if name not in changes:
            parser.error(f"no change '{name}' for {', '.join(asked.data)}; valid: {', '.join(changes)}")
    for data in () if asked.table else asked.data:
        if not (REAL / data).is_dir():
            print(f"{data}: left out, {REAL / data} is absent (set RECSYS_CL_REAL_DATA)")
            continue
        default = default_of(data)
        names = [name for name in asked.only or default.changes if name in default.changes]
        run(default, data, names, ROOT / "pipelines" / f"{data}.toml", default.split)
    for default in DEFAULTS:
        told(default)


if __name__ == "__main__":
    main()
