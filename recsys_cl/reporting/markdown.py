"""The report in a pull request: headline, table, marks; Markdown in which text from data stays text."""

from __future__ import annotations

import re

from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.results import table
from recsys_cl.reporting.table import Cell, Table
from recsys_cl.reporting.text import plain

MARKS = {"higher": " ▲", "lower": " ▼", "": ""}
# What could mean something: marks anywhere, @ where a mention may begin, a colon with something behind it (addresses, emoji),
# and at the beginning of a line what makes lists. Names like recent-popular and ndcg@20 stay readable in the source.
_MEANT = re.compile(r"([\\`*_{}\[\]<>()#!|~&$]|(?<![^\W_])@|:(?! )|^\s*[-+=])")


def markdown(evidence: Evidence) -> str:
    """A heading, the honest sentence, the table at the depth that recipes were chosen by, and where the numbers come from."""
    lines = [f"## {escaped(evidence.pipeline)}", "", escaped(evidence.headline, 2000), ""]
    lines += _rows(_at_depth(table(evidence)))
    compared = evidence.comparison
    if compared and compared.baseline:
        best = escaped(compared.baseline)
        lines += [
            "",
            f"▲ higher, ▼ lower than {best}, the best baseline, at 5 % after Holm's correction; else not told from chance.",
        ]
    if evidence.audit is not None:
        lines += ["", f"Leakage audit: {escaped(evidence.audit.get('verdict', 'unknown'))}."]
    facts = ", ".join(f"{escaped(name)} {escaped(value)}" for name, value in evidence.facts.items() if "sha256" in name)
    return "\n".join([*lines, "", f"Exact ranking of {escaped(evidence.ranked, 300)} for the test part. {facts}".rstrip(), ""])


def escaped(text: object, longest: int = 120) -> str:
    """One line of text whose every character is shown as it is: no markup, link, mention or cell border."""
    return _MEANT.sub(lambda found: "".join(f"&#{ord(each)};" for each in found[1]), plain(text, longest))


def _at_depth(whole: Table) -> Table:
    kept = [i for i, column in enumerate(whole.columns) if column.depth in ("", whole.depth)]
    return Table([whole.columns[i] for i in kept], [[row[i] for i in kept] for row in whole.rows])


def _rows(shown: Table) -> list[str]:
    heads = [column.name + (f"@{column.depth}" if column.depth else "") for column in shown.columns]
    rule = ["---" if column.text else "---:" for column in shown.columns]
    body = [[_field(cell) for cell in row] for row in shown.rows]
    return [f"| {' | '.join(row)} |" for row in ([escaped(head) for head in heads], rule, *body)]


def _field(cell: Cell) -> str:
    text = escaped(cell.text)
    return (f"**{text}**" if cell.best else text) + MARKS[cell.mark]
