"""What a person sees in the terminal: stage lines and progress on standard error, tables on standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console as Rich
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from recsys_cl.config import Recipe
    from recsys_cl.doctor import Finding
    from recsys_cl.stages.explain import Reason
    from recsys_cl.stages.pipeline import Result

MARKS = {"done": "[green]done[/]", "skipped": "[dim]skipped[/]", "running": "[cyan]running[/]"}
WILL = {"skip": "skip", "run": "run", "depends": "perhaps"}
LEVELS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}
WIDE = 160
HEADLINE = ("recall", "ndcg", "coverage")
"""Metrics of the table, at every depth; of coverage, a number of all lists together, the deepest is enough."""


class Console:
    """Prints results; degrades to plain lines without a terminal."""

    def __init__(self) -> None:
        self.out, self.err = Rich(), Rich(stderr=True, highlight=False, soft_wrap=True)
        if not self.out.is_terminal:
            self.out = Rich(width=WIDE)  # a file or a pipe has no edge to wrap at

    def watch(self, stage: str, status: str, seconds: float) -> None:
        """One line when a stage starts and one when it ends."""
        if status == "running":
            if self.err.is_terminal:
                self.err.print(f"{stage:<28} {MARKS[status]}")
        else:
            self.err.print(f"{stage:<28} {MARKS[status]} {seconds:7.1f} s")

    def tell(self, line: str) -> None:
        """One line of what goes on within a stage."""
        self.err.print(line, markup=False)

    def table(self, result: Result) -> None:
        """The experiments side by side on the test part, then where report, run and model are."""
        said = _said(result)
        names = headline([name for e in result.experiments for name in e.test], said.get("metric", ""))
        if names:
            self.out.print(_scores(result, names, said.get("ranked")))
        for line in result.places():
            self.out.print(line, markup=False, highlight=False)

    def reasons(self, reasons: Sequence[Reason]) -> None:
        """Why each stage would run or not."""
        for one in reasons:
            self.out.print(f"{one.stage:<28} {WILL[one.will]:<8} {one.why}", markup=False, highlight=False, soft_wrap=True)

    def recipes(self, known: Mapping[str, Recipe]) -> None:
        """Every recipe with its paper and numbers."""
        table = Table(
            "recipe",
            "family",
            "paper",
            "published (selected on)",
            "measured here (on test; selected on validation)",
            show_lines=True,
        )
        for name, recipe in sorted(known.items(), key=lambda pair: (pair[1].family, pair[0])):
            source = recipe.provenance
            published = [f"{p.data}: {_numbers(p.metrics)} ({p.selection})" for p in source.published]
            measured = [f"{m.data}{' (valid)' * (m.part == 'valid')}: {_numbers(m.metrics)}" for m in source.measured]
            table.add_row(name, recipe.family, escape(source.paper), "\n".join(published) or "-", "\n".join(measured) or "-")
        self.out.print(table)

    def findings(self, findings: Sequence[Finding]) -> None:
        """What ``doctor`` saw."""
        table = Table("", "what", "found", "advice")
        for finding in findings:
            table.add_row(LEVELS[finding.level], finding.what, escape(finding.found), escape(finding.advice))
        self.out.print(table)


def headline(measured: Sequence[str], selecting: str) -> list[str]:
    """Which of the ``measured`` metrics the table shows: those of `HEADLINE`, and before them the ``selecting`` one.

    Where none of these was measured, all are shown.
    """
    depths = sorted({int(depth) for name in measured if (depth := name.partition("@")[2])})
    names = [f"{kind}@{depth}" for kind in HEADLINE for depth in (depths[-1:] if kind == "coverage" else depths)]
    names = [name for name in names if name in measured]
    first = [selecting] if selecting in measured and selecting not in names else []
    return first + names or list(dict.fromkeys(measured))


def _said(result: Result) -> dict[str, Any]:
    """What the report says beyond the numbers; nothing where the run did not come so far."""
    path = result.report.with_name("report.json") if result.report else None
    said: dict[str, Any] = json.loads(path.read_text("utf-8")) if path and path.is_file() else {}
    return said


def _scores(result: Result, names: Sequence[str], ranked: str | None) -> Table:
    title = f"{result.pipeline}: test part, exact ranking" + (f" of {ranked}" if ranked else "")
    table = Table("recipe", *names, "epochs", "seconds", title=escape(title))
    best = {name: max((e.test[name] for e in result.experiments if name in e.test), default=None) for name in names}
    for experiment in result.experiments:
        cells = [
            _bold(f"{experiment.test[n]:.4f}", experiment.test[n] == best[n]) if n in experiment.test else "-" for n in names
        ]
        table.add_row(experiment.recipe, *cells, str(experiment.epochs), f"{experiment.train_seconds:.1f}")
    return table


def _bold(text: str, yes: bool) -> str:  # noqa: FBT001 - a private formatter
    return f"[bold]{text}[/]" if yes else text


def _numbers(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
