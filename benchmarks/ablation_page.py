"""The default for histories as one page: its figures over seeds, and what each of its parts is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HEAD = """# The default for histories, part by part

Written by `python -m benchmarks.ablation`; do not edit. `average-softmax` against itself with one thing changed: trained on
train, epoch by validation, no refit (with it, and over seeds: [results.md](results.md)). Settings are those that validation
prefers; the test columns were not looked at to choose. Differences, with the change less without, are paired user by user on
the test part, with a 95 % bootstrap interval over users; one seed.
"""
_COLUMNS = "| change | valid HR@10 | valid N@10 | test HR@10 | test N@10 | difference in test N@10 | training, s |"


def page(folder: Path) -> str:
    """The whole page, a table for each data set, the default first and what harms least after it."""
    parts = [_HEAD]
    for runs in sorted(path for path in folder.glob("*") if path.is_dir()) if folder.exists() else ():
        records = [json.loads(path.read_text("utf-8")) for path in sorted(runs.glob("*.json"))]
        parts += [f"## {runs.name}\n", f"{records[0]['users']:,} users; `{records[0]['command']}`\n"]
        parts += [_COLUMNS, "|---" * (_COLUMNS.count("|") - 1) + "|"]
        parts += [_line("the default", records[0], 1, "")]
        ordered = sorted(records, key=lambda record: -record["valid"][0]["ndcg@10"])
        parts += [_line(record["name"], record, 0, _apart(record)) for record in ordered]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _line(name: str, record: dict[str, Any], side: int, apart: str) -> str:
    valid, test = record["valid"][side], {row["metric"]: row["ab"[side]] for row in record["metrics"]}
    values = (valid["hit_rate@10"], valid["ndcg@10"], test["hit_rate@10"], test["ndcg@10"])
    return f"| {name} | {' | '.join(f'{value:.4f}' for value in values)} | {apart} | {record['train_seconds'][side]:.0f} |"


def _apart(record: dict[str, Any]) -> str:
    row = next(row for row in record["metrics"] if row["metric"] == "ndcg@10")
    low, high = row["interval"]
    return f"{row['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"
