"""Evidence becomes one self-contained HTML file: no request leaves it, everything from data is escaped."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from recsys_cl.reporting import text
from recsys_cl.reporting.charts.marks import marks
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections import ORDER


def render(evidence: Evidence) -> str:
    """The whole page as HTML text.

    Text from data passes through autoescaping, and loses the control characters that could reorder what is read.
    The content-security policy admits only the page's own script, by its hash.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("recsys_cl.reporting", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"typeset": text.typeset, "plain": text.plain, "compact": text.compact, "figure": text.figure}
    script, style = _asset("report.js"), _asset("report.css")
    looks = marks([trial.name for trial in evidence.trials])
    return environment.get_template("page.html.j2").render(
        e=evidence,
        sections=[section(evidence, looks) for section in ORDER],
        counts=_counts(evidence),
        script=Markup(script),
        style=Markup(style),
        svg=Markup,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _counts(evidence: Evidence) -> list[tuple[str, object]]:
    """The few numbers at the top, as far as they are known."""
    data, counts = evidence.data, evidence.counts
    known = {
        "recipes": len(evidence.trials),
        "users": data.get("users"),
        "items": data.get("items"),
        "density": text.percent(data.get("density"), ".2f") if data else None,
        "users in test": counts.get("users"),
        "held-out interactions": counts.get("held_out"),
        "openings of the test part": counts.get("openings"),
    }
    return [(name, value) for name, value in known.items() if value is not None]


def _asset(name: str) -> str:
    return resources.files("recsys_cl.reporting").joinpath("assets", name).read_text("utf-8")
