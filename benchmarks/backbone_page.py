"""Comparisons with the plain backbone as one page: by how much each contrast helps, how surely, and with what budget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from recsys_cl.evaluation.compare import holm

_HEAD = """# Contrast on a strong backbone

Written by `python -m benchmarks.backbone`; do not edit. Each row is `sasrec-softmax` with the views, contrastive terms and
training dynamics of one published recipe added, as that recipe sets them (`-cosine`: compared by cosine at temperature 0.2;
`-dot`: by dot products at temperature 1, as in most of the authors' scripts); encoder, softmax loss, negatives, batches and
training plan are the backbone's. Differences to the plain backbone are paired user by user on the test part (95 % bootstrap
interval over users; p by paired t, corrected by Holm for all rows of a table). One seed: the interval is about users, not about
training anew. "helps" or "hurts" stands only where interval and corrected p agree.
"""
_COLUMNS = "| contrast of | metric | plain | with it | difference | relative | p (Holm) | verdict | epochs | training, s |"


def page(folder: Path) -> str:
    """The whole page, a table for each data set and budget."""
    parts = [_HEAD]
    for runs in sorted(path for path in folder.glob("*/*") if path.is_dir()):
        records = [json.loads(path.read_text("utf-8")) for path in sorted(runs.glob("*.json"))]
        if not records:
            continue
        parts += [
            f"## {runs.parent.name}, {_budget(runs.name)}\n",
            f"{records[0]['users']:,} users; `{records[0]['command']}`\n",
        ]
        parts += [_COLUMNS, "|---" * (_COLUMNS.count("|") - 1) + "|", *_rows(records), ""]
    return "\n".join(parts).rstrip() + "\n"


def _budget(label: str) -> str:
    if label == "plan":
        return "the backbone's own plan (epoch chosen on validation, refitted)"
    return f"a short budget: {label.replace('-', ' ')} for each, cosine schedule, dropout 0.3, items that begin small, no refit"


def _rows(records: list[dict[str, Any]]) -> list[str]:
    """A line for each contrast and metric, the best first."""
    ordered = sorted(records, key=lambda record: -record["metrics"][0]["difference"])
    told = [(record, row) for record in ordered for row in record["metrics"]]
    corrected = holm(np.array([row["p"] for _, row in told]))
    return [_line(record, row, float(p)) for (record, row), p in zip(told, corrected, strict=True)]


def _line(record: dict[str, Any], row: dict[str, Any], p: float) -> str:
    low, high = row["interval"]
    relative = "" if row["relative"] is None else f"{100 * row['relative']:+.1f} %"
    apart = f"{row['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"
    epochs, seconds = ("{} against {}".format(*(f"{each:.0f}" for each in record[key])) for key in ("epochs", "train_seconds"))
    means = f"{row['b']:.4f} | {row['a']:.4f}"
    return (
        f"| {record['contrast']} | {row['metric']} | {means} | {apart} | {relative} | {p:.2g} "
        f"| {verdict(row, p)} | {epochs} | {seconds} |"
    )


def verdict(row: dict[str, Any], p: float, level: float = 0.05) -> str:
    """What may be said of one row."""
    low, high = row["interval"]
    if not row["reliable"]:
        return "too few users"
    if p > level or low <= 0 <= high:
        return "no difference shown"
    return "helps" if row["difference"] > 0 else "hurts"
