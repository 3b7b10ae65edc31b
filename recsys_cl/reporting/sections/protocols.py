"""Do the recipes keep their order when the data set is split otherwise?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.table import Cell, Column, Table, simple
from recsys_cl.reporting.text import compact, figure


def protocols(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:  # noqa: ARG001 - one signature for all sections
    """Ranks with means below them, and Kendall's tau between the orders."""
    found = evidence.protocols
    return Section(
        "protocols",
        "Protocols",
        ""
        if found is None
        else f"Rank of each recipe by {found['metric']} under each way of splitting, its value below. "
        "Kendall's τ compares the orders: 1 the same, -1 reversed.",
        tables=[] if found is None else [_ranks(found), _tau(found)],
        gaps=[f"Left out: {one['name']}, {one['reason']}" for one in (found or {}).get("refused", ())],
        missing="Splits were not compared; recsys-cl compare-protocols does.",
    )


def _ranks(found: Mapping[str, Any]) -> Table:
    names = [str(protocol["name"]) for protocol in found["protocols"]]
    rows = [
        [
            Cell(recipe, recipe),
            *(Cell(compact(r[i]), r[i], figure(m[i])) for r, m in zip(found["ranks"], found["means"], strict=True)),
        ]
        for i, recipe in enumerate(found["recipes"])
    ]
    return Table([Column("recipe", text=True), *(Column(name) for name in names)], rows, "Ranks", sortable=True)


def _tau(found: Mapping[str, Any]) -> Table:
    names = [str(protocol["name"]) for protocol in found["protocols"]]
    rows = [[name, *(figure(tau, ".2f") for tau in row)] for name, row in zip(names, found["tau"], strict=True)]
    made = simple(["τ", *names], rows, "Kendall's τ between protocols")
    return Table([made.columns[0], *(Column(name) for name in names)], made.rows, made.caption)
