"""Did anything of the test part leak into what was trained?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.table import simple
from recsys_cl.reporting.text import ABSENT


def audit(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:  # noqa: ARG001 - one signature for all sections
    """Every check with its verdict and count."""
    found = evidence.audit
    openings = evidence.counts.get("openings")
    lead = f"Only the evaluation{' and this audit' if found else ''} may read the test part."
    if isinstance(openings, int):
        lead += (
            f" To measure models on it, it was opened {openings:,} time{'' if openings == 1 else 's'}; each opening is counted."
        )
    if found is not None:
        lead = f"Verdict: {_verdict(found)}. {lead}"
    rows = [] if found is None else [_row(check) for check in found.get("checks", ())]
    return Section(
        "audit",
        "Leakage audit",
        lead,
        tables=[simple(["check", "verdict", "count", "what", "examples"], rows)] if rows else [],
        missing="No leakage audit was run.",
    )


def _verdict(found: Mapping[str, Any]) -> str:
    """The worst there is, and which checks say so."""
    verdict = str(found.get("verdict", "unknown"))
    why = [str(check["name"]).replace("_", " ") for check in found.get("checks", ()) if check["verdict"] == verdict != "ok"]
    return f"{verdict} ({', '.join(why)})" if why else verdict


def _row(check: Mapping[str, Any]) -> list[object]:
    examples = ", ".join(e if isinstance(e, str) else json.dumps(e) for e in check.get("examples") or ())
    return [
        str(check["name"]).replace("_", " "),
        str(check["verdict"]),
        check.get("count"),
        str(check.get("what", "")),
        examples or ABSENT,
    ]
