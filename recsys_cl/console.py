"""What a person sees in the terminal: stage lines and progress on standard error, tables on standard output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

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
HEADLINE = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "coverage@20")


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
        names = [name for name in HEADLINE if any(name in e.test for e in result.experiments)]
        if names:
            self.out.print(_scores(result, names))
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


def _scores(result: Result, names: Sequence[str]) -> Table:
    table = Table("recipe", *names, "epochs", "seconds", title=f"{result.pipeline}: test part, exact full ranking")
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
