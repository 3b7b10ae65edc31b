"""What a stage's own result says about the run, as one passed or failed check."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recsys_cl.stages.audit import summary
from recsys_cl.stages.decision import summary_of

if TYPE_CHECKING:
    from recsys_cl.stages.store import Receipt

CHECKS = {"ingest": "data_contract", "audit": "no_leakage", "promote": "beats_champion"}
"""The check that each of these stages answers."""


@dataclass(frozen=True, slots=True)
class Check:
    """Whether all is well, how much depends on it, and what was seen."""

    passed: bool
    serious: bool
    said: str


def outcome_of(stage: str, receipt: Receipt) -> Check:
    """The check of a stage that is in `CHECKS`, read from what it committed."""
    if stage == "ingest":
        report = _json(receipt, "ingest_report")
        bad, read = int(report["rows_quarantined"]), int(report["rows_in"])
        return Check(bad == 0, serious=False, said=f"{bad} of {read} rows broke the contract and are in quarantine")
    if stage == "audit":
        audit = _json(receipt, "audit")
        return Check(audit["verdict"] != "leak", serious=True, said=summary(audit))
    decision = _json(receipt, "promotion")
    return Check(decision["outcome"] != "kept back", serious=False, said=summary_of(decision))


def _json(receipt: Receipt, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(receipt.artifact(name).path.read_text("utf-8"))
    return value
