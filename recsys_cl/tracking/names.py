"""Metric names in both worlds: ``recall@20`` in files and reports, ``recall_at_20`` in MLflow, which refuses ``@``."""

from __future__ import annotations

import re

_FORBIDDEN = re.compile(r"[^\w\-. :/]", re.ASCII)
_CUTOFF = re.compile(r"@(\d+)$")
_SPELT_OUT = re.compile(r"_at_(\d+)$")


def to_mlflow(name: str) -> str:
    """``recall@20`` -> ``recall_at_20``; undone exactly by `from_mlflow`.

    Raises:
        ValueError: the name holds what MLflow refuses, or could not be told from a translated one.
    """
    if _SPELT_OUT.search(name):
        raise ValueError(f"'{name}' is spelt the way MLflow has it; write '{from_mlflow(name)}'")
    translated = _CUTOFF.sub(r"_at_\1", name)
    if not translated or _FORBIDDEN.search(translated):
        raise ValueError(f"'{name}' cannot name a metric: letters, digits, '_-. :/' and one '@' before a number at the end")
    return translated


def from_mlflow(name: str) -> str:
    """``recall_at_20`` -> ``recall@20``; other names are left as they are."""
    return _SPELT_OUT.sub(r"@\1", name)
