"""Evidence becomes one self-contained HTML file: no request leaves it, everything from data is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from recsys_cl.reporting.charts import Chart, curves, decay, scatter, stacks
from recsys_cl.reporting.evidence import Evidence, Trial
from recsys_cl.reporting.text import plain


def render(evidence: Evidence) -> str:
    """The whole page as HTML text.

    Text from data passes through autoescaping, and loses the control characters that could reorder what is read.
    The content-security policy admits only the page's own script, by its hash.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["plain"] = plain
    environment.filters["number"] = _number
    script, style = _asset("report.js"), _asset("report.css")
    return environment.from_string(_asset("report.html.j2")).render(
        e=evidence,
        metrics=_metrics(evidence.trials),
        best=_best(evidence.trials),
        charts=_charts(evidence),
        script=Markup(script),
        style=Markup(style),
        svg=Markup,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _metrics(trials: Sequence[Trial]) -> list[str]:
    """Metric names in the order of the first trial that has each."""
    return list(dict.fromkeys(name for trial in trials for name in trial.test))


def _best(trials: Sequence[Trial]) -> dict[str, float]:
    return {name: max(t.test[name] for t in trials if name in t.test) for name in _metrics(trials)}


def _charts(evidence: Evidence) -> dict[str, list[Chart]]:
    metric, cover = evidence.metric, f"coverage@{evidence.metric.partition('@')[2]}"
    learning = [
        curves(f"{metric} on validation", {t.name: _points(t, f"valid/{metric}") for t in evidence.trials}, "epoch", metric),
        *(curves(f"Loss terms of {t.name}", _losses(t), "epoch", "loss") for t in evidence.trials if t.learnt),
    ]
    both = {t.name: (t.test[cover], t.test[metric]) for t in evidence.trials if cover in t.test and metric in t.test}
    data = evidence.data
    shape = [
        stacks("Events over time, by part", data.get("periods", ()), tuple(data.get("parts", ())), "from", "events"),
        decay("Popularity of items", [float(n) for n in data.get("popularity", ())], "rank of the item", "interactions"),
    ]
    drawn = {"learning": learning, "trade": [scatter("Accuracy against coverage", both, cover, metric)], "data": shape}
    return {name: [chart for chart in charts if chart is not None] for name, charts in drawn.items()}


def _points(trial: Trial, name: str) -> list[tuple[float, float]]:
    return [(record["step"], record[name]) for record in trial.history if name in record]


def _losses(trial: Trial) -> Mapping[str, list[tuple[float, float]]]:
    names = dict.fromkeys(
        name for record in trial.history for name in record if name.startswith("loss/") and name != "loss/gradient"
    )
    return {name.removeprefix("loss/"): _points(trial, name) for name in names}


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return plain(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _asset(name: str) -> str:
    return resources.files("recsys_cl.reporting").joinpath(name).read_text("utf-8")
