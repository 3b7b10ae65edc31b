"""What an audit works on and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from recsys_cl.core.values import Shape

Verdict = Literal["ok", "warning", "leak"]
_WORST: tuple[Verdict, ...] = ("leak", "warning", "ok")

SHOWN = 5
"""Examples of each finding."""


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """A prepared data set with nothing left out: rows of cold users and items have the vocabulary's size as id."""

    parts: Mapping[str, pd.DataFrame]  # train, valid, test: user, item, timestamp (microseconds)
    shape: Shape
    user_ids: Sequence[str]  # by id
    item_ids: Sequence[str]
    items: pd.DataFrame  # what else is known of each item, by id
    let_in: frozenset[int] = frozenset()  # items that may be known though train lacks them, for their content

    def warm(self, part: str) -> pd.DataFrame:
        """The rows of a part whose user and item are in the vocabulary."""
        rows = self.parts[part]
        return rows[(rows["user"] < self.shape.users) & (rows["item"] < self.shape.items)]

    def names(self, rows: pd.DataFrame) -> list[str]:
        """Warm ``rows`` in words, as many as are shown."""
        shown = rows.head(SHOWN)
        return [self._name(*pair) for pair in zip(shown["user"].tolist(), shown["item"].tolist(), strict=True)]

    def _name(self, user: int, item: int) -> str:
        return f"user {self.user_ids[user]}, item {self.item_ids[item]}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer."""

    name: str
    verdict: Verdict
    count: int  # how many rows, ids or items speak against it
    what: str  # one sentence
    examples: tuple[str, ...] = ()


def found(name: str, verdict: Verdict, count: int, what: str, examples: Iterable[str] = ()) -> Finding:
    """``verdict`` if anything was counted, else ok; at most `SHOWN` examples are kept."""
    return Finding(name, verdict if count else "ok", int(count), what, tuple(text for text, _ in zip(examples, range(SHOWN))))  # noqa: B905


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """``{"verdict": the worst of all, "checks": [...]}``."""
    verdicts = {finding.verdict for finding in findings}
    worst = next((verdict for verdict in _WORST if verdict in verdicts), "ok")
    return {"verdict": worst, "checks": [asdict(finding) for finding in findings]}
