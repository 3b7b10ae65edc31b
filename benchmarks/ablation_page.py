"""A default as one page: its figures, and what each of its parts is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.defaults import Default

_HEAD = """# The default for {family}, part by part

Written by `python -m benchmarks.ablation`; do not edit. `{recipe}` against itself with one thing changed: trained on
train, epoch by validation, no refit (with it, and over seeds: [results.md](results.md)). Settings are those that validation
prefers; the test columns were not looked at to choose. Differences, with the change less without, are paired user by user on
the test part, with a 95 % bootstrap interval over users; one seed.
"""
_SPLIT = """The parts are those of the pipelines with `{split}`;
[results.md](results.md) says why, and what had been looked at before.
"""
_SHORT = {"hit_rate": "HR", "recall": "R", "ndcg": "N"}


def page(default: Default, folder: Path) -> str:
    """The whole page, a table for each data set, the default first and what harms least after it."""
    parts, columns = [_HEAD.format(family=default.family, recipe=default.recipe)], _columns(default)
    parts += [_SPLIT.format(split=" ".join(default.split))] if default.split else []
    for data in default.data:
        records = [json.loads(path.read_text("utf-8")) for path in sorted((folder / data).glob("*.json"))]
        if not records:
            continue
        there = default.there.get(data)
        said = f"; of the default here, as validation prefers it: `{json.dumps(there)}`" if there else ""
        parts += [f"## {data}\n", f"{records[0]['users']:,} users; `{records[0]['command']}`{said}\n"]
        parts += [columns, "|---" * (columns.count("|") - 1) + "|"]
        parts += [_line(default, "the default", records[0], 1, "")]
        ordered = sorted(records, key=lambda record: -record["valid"][0][default.metrics[-1]])
        parts += [_line(default, record["name"], record, 0, _apart(default, record)) for record in ordered]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _columns(default: Default) -> str:
    names = [f"{_SHORT[metric.partition('@')[0]]}@{metric.partition('@')[2]}" for metric in default.metrics]
    shown = [f"{part} {name}" for part in ("valid", "test") for name in names]
    return f"| change | {' | '.join(shown)} | difference in test {names[-1]} | training, s |"


def _line(default: Default, name: str, record: dict[str, Any], side: int, apart: str) -> str:
    valid, test = record["valid"][side], {row["metric"]: row["ab"[side]] for row in record["metrics"]}
    values = [part[metric] for part in (valid, test) for metric in default.metrics]
    return f"| {name} | {' | '.join(f'{value:.4f}' for value in values)} | {apart} | {record['train_seconds'][side]:.0f} |"


def _apart(default: Default, record: dict[str, Any]) -> str:
    row = next(row for row in record["metrics"] if row["metric"] == default.metrics[-1])
    low, high = row["interval"]
    return f"{row['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"
