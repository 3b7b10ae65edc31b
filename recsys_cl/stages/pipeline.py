"""A pipeline's settings become its stages in order; running them gives one result to print."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_cl.config import Pipeline, load_pipeline
from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.protocols import Stage
from recsys_cl.core.version import VERSION
from recsys_cl.evaluation.settings import build_metrics
from recsys_cl.stages.audit import AuditStage, summary
from recsys_cl.stages.crew import company, launched
from recsys_cl.stages.decision import summary_of
from recsys_cl.stages.evaluate import EvaluateStage
from recsys_cl.stages.explain import Reason, explain
from recsys_cl.stages.ingest import IngestStage
from recsys_cl.stages.openings import FOLDER, Ledger
from recsys_cl.stages.prepare import PrepareStage
from recsys_cl.stages.promoting import PromoteStage
from recsys_cl.stages.register import RegisterStage
from recsys_cl.stages.report import ReportStage
from recsys_cl.stages.runner import Outcome, Status, needed_for, require, run_stages, up_to
from recsys_cl.stages.side_by_side import Worker, train_ahead
from recsys_cl.stages.store import COST, Store
from recsys_cl.stages.tracking import Tracking
from recsys_cl.stages.train import TrainStage
from recsys_cl.stages.turn import turn

SECTIONS = ("audit",)
"""Artifacts that the report has a section for, where a stage makes them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One experiment's row of the table."""

    recipe: str
    run_id: str | None
    epochs: int
    train_seconds: float
    valid: Mapping[str, float]
    test: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Result:
    """What a run has to say."""

    pipeline: str
    stages: tuple[tuple[str, Status, float], ...]
    experiments: tuple[Line, ...]  # their run ids are known once they are registered
    report: Path | None
    model: Mapping[str, Any] | None
    tracking_uri: str
    openings: int = 0  # of the test part, ever
    audit: Mapping[str, Any] | None = None  # the leakage audit: its verdict and checks
    promotion: Mapping[str, Any] | None = None  # the decision about the registered version, where one was asked for

    def as_json(self) -> dict[str, Any]:
        """The machine's view; metric keys like ``recall@20``."""
        return {
            "pipeline": self.pipeline,
            "stages": [{"name": name, "status": status, "seconds": round(seconds, 3)} for name, status, seconds in self.stages],
            "experiments": [
                {
                    "recipe": line.recipe,
                    "run_id": line.run_id,
                    "epochs": line.epochs,
                    "train_seconds": line.train_seconds,
                    "valid": dict(line.valid),
                    "test": dict(line.test),
                }
                for line in self.experiments
            ],
            "test_openings": self.openings,
            "audit": self.audit["verdict"] if self.audit else None,
            "report": str(self.report) if self.report else None,
            "model": dict(self.model) if self.model else None,
            "promotion": dict(self.promotion) if self.promotion else None,
        }

    def places(self) -> list[str]:
        """How often the test part was opened; the audit; where report, runs and model are; one line each."""
        lines = [f"test    opened {self.openings} times so far"] if self.openings else []
        lines += [f"audit   {summary(self.audit)}"] if self.audit else []
        lines += [f"report  {self.report}"] if self.report else []
        if self.model:
            model, aliases = self.model, ", ".join(self.model["aliases"]) or "no alias"
            lines.append(f"run     {model['run_id']} in experiment '{self.pipeline}' of {self.tracking_uri}")
            lines.append(f"model   models:/{model['name']}/{model['version']} ({aliases}), recipe {model['recipe']}")
        lines += [f"promote {summary_of(self.promotion)}"] if self.promotion else []
        return lines


def stages_of(
    pipeline: Pipeline, tracking: Tracking, ledger: Ledger | None = None, home: Path | None = None, command: str = ""
) -> list[Stage]:
    """Every stage of a pipeline, in an order in which each finds what it reads.

    Args:
        pipeline: what to do.
        tracking: where runs are told.
        ledger: where openings of the test part are recorded.
        home: the folder of the pipeline's artifacts, for what the report finds beside them.
        command: what was typed, for the report.
    """
    recipes = pipeline.recipes()
    names, metric = tuple(recipes), pipeline.registry.metric
    shown = tuple(each.name for each in build_metrics(pipeline.evaluation))
    how, where, seed = pipeline.evaluation, pipeline.runtime, pipeline.seed
    measured: list[Stage] = [
        IngestStage(pipeline.ingest, pipeline.seed),
        PrepareStage(pipeline.prepare),
        *(TrainStage(name, recipe, how, where, seed, tracking.training) for name, recipe in recipes.items()),
        AuditStage(pipeline.prepare, names),
        *(EvaluateStage(name, recipe, how, where, seed, ledger) for name, recipe in recipes.items()),
    ]
    return [
        *measured,
        ReportStage(
            pipeline.name,
            names,
            metric,
            shown,
            facts=_facts(pipeline),
            extra=tuple(name for name in SECTIONS if any(name in stage.writes for stage in measured)),
            protocols=home / "protocols.json" if home else None,
            commands=(command,) if command else (),
            searched=tuple(
                {**dict.fromkeys(names, 0), **{each.label: each.found.trials for each in pipeline.experiments}}.items()
            ),
        ),
        RegisterStage(pipeline.registry.model or pipeline.name, names, metric, pipeline.registry.experiment or None, tracking),
        *([PromoteStage(names, pipeline.promotion_rule(), how, tracking, ledger)] if pipeline.promotion.automatic else []),
    ]


def run_pipeline(
    path: Path,
    assignments: Sequence[str],
    data_dir: Path,
    tracking_uri: str | None,
    watch: Callable[[str, Status, float], None],
    until: str | None = None,
    force: str | None = None,
    *,
    only: str | None = None,
    jobs: int = 1,
    once: bool = False,
) -> Result:
    """Read a pipeline's TOML, run what is not up to date, and gather the result.

    Args:
        path: the TOML.
        assignments: ``KEY=VALUE``, laid over it.
        data_dir: where artifacts are kept.
        tracking_uri: the store of runs and models.
        watch: told of each stage's name, status and seconds.
        until: the last stage to run.
        force: a stage to run again.
        only: a stage to run with what it needs, its neighbours left out; not with ``until``.
        jobs: how many recipes train side by side.
        once: leave it to another run that was asked for once and goes on.

    Raises:
        Busy: there is such a run.
    """
    if jobs > 1 and (only, force) != (None, None):
        raise Refused("--jobs does not go with --only or --force")
    if jobs > 1 and launched():
        raise Refused("--jobs: under torchrun all processes train one recipe together; leave it out")
    plan = plan_of(path, assignments, data_dir, tracking_uri)
    asked = _asked_for(plan.stages, until, only)
    with turn(plan.store.root) if once else nullcontext(), company(plan.pipeline.runtime) as crew:
        stages = [crew.helped(stage) for stage in asked] if crew else asked
        worker = Worker(str(path), tuple(assignments), plan.store.root.parent, tracking_uri)
        made = train_ahead(stages, plan.store, worker, jobs, watch) if jobs > 1 else {}
        outcome = run_stages(stages, plan.store, watch, force=force, made=made)
    return gather(plan.pipeline, outcome, plan.tracking, plan.ledger)


def assist_pipeline(path: Path, assignments: Sequence[str], data_dir: Path, tracking_uri: str | None) -> None:
    """Take part in ``run_pipeline`` as one of several processes, of which rank 0 runs it; nothing is written or printed.

    Raises:
        RecsysError: something failed here; the message names the rank.
    """
    plan = plan_of(path, assignments, data_dir, tracking_uri)
    with company(plan.pipeline.runtime) as crew:
        if crew:
            crew.assist(plan.stages)


def explain_pipeline(
    path: Path,
    assignments: Sequence[str],
    data_dir: Path,
    tracking_uri: str | None,
    until: str | None = None,
    *,
    only: str | None = None,
) -> list[Reason]:
    """Why each stage that ``run_pipeline`` was asked for would run or not; nothing is run."""
    plan = plan_of(path, assignments, data_dir, tracking_uri)
    return explain(_asked_for(plan.stages, until, only), plan.store)


def _asked_for(stages: Sequence[Stage], until: str | None, only: str | None) -> Sequence[Stage]:
    if only is None:
        require(stages, until)
        return up_to(stages, until)
    if until is not None:
        raise Refused("--only does not go with --until")
    if only not in (names := [stage.name for stage in stages]):
        raise Refused(f"--only: no stage '{only}'; {nearest(only, names)}")
    return needed_for(stages, only)


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline ready to be run: its stages, and where their results go."""

    pipeline: Pipeline
    stages: list[Stage]
    store: Store
    tracking: Tracking
    ledger: Ledger


def plan_of(path: Path, assignments: Sequence[str], data_dir: Path, tracking_uri: str | None) -> Plan:
    """Read a pipeline's TOML; nothing is run."""
    pipeline = load_pipeline(path, assignments)
    tags = {"recsys_cl.version": VERSION, "recsys_cl.seed": str(pipeline.seed)}
    tracking = Tracking(pipeline.name, Path(), tracking_uri, tags)
    store = Store(data_dir.resolve() / pipeline.name)
    ledger = Ledger(data_dir.resolve() / FOLDER)
    command = shlex.join(["recsys-cl", "run", str(path), *(part for each in assignments for part in ("--set", each))])
    return Plan(pipeline, stages_of(pipeline, tracking, ledger, store.root, command), store, tracking, ledger)


def gather(pipeline: Pipeline, outcome: Outcome, tracking: Tracking, ledger: Ledger | None = None) -> Result:
    """What the artifacts of a run say, as far as it went."""
    artifacts = {name: artifact.path for name, artifact in outcome.artifacts.items()}
    registered = _registered(artifacts["registration"], tracking) if "registration" in artifacts else None
    runs = registered["runs"] if registered else {}
    lines = [_line(name, artifacts, runs.get(name)) for name in pipeline.recipes() if f"model/{name}" in artifacts]
    report = artifacts["report"] / "index.html" if "report" in artifacts else None
    stages = tuple((done.stage.name, done.status, done.seconds) for done in outcome.done)
    evaluated = ledger is not None and any(f"evaluation/{line.recipe}" in artifacts for line in lines)
    openings = ledger.count(outcome.artifacts["test"].digest) if ledger and evaluated else 0
    audit = _json(artifacts["audit"]) if "audit" in artifacts else None
    promotion = _json(artifacts["promotion"]) if "promotion" in artifacts else None
    return Result(pipeline.name, stages, tuple(lines), report, registered, tracking.address, openings, audit, promotion)


def _registered(path: Path, tracking: Tracking) -> dict[str, Any]:
    """What was registered, with the aliases that point at it now."""
    from recsys_cl.tracking.standing import standing_of

    made = _json(path)
    return {**made, "aliases": standing_of(made["name"], tracking.root, tracking.uri).roles(made["version"])}


def _facts(pipeline: Pipeline) -> tuple[tuple[str, str], ...]:
    """Settings that the report quotes; those of the logs stay out, since addresses may hold credentials."""
    groups = {"prepare": pipeline.prepare, "evaluation": pipeline.evaluation, "runtime": pipeline.runtime}
    told = {name: json.dumps(group.model_dump(mode="json", exclude_none=True)) for name, group in groups.items()}
    return (("seed", str(pipeline.seed)), *told.items())


def _line(name: str, artifacts: Mapping[str, Path], run_id: str | None) -> Line:
    model = artifacts[f"model/{name}"]
    summary, cost = _json(model / "summary.json"), _json(model / COST)
    evaluation = artifacts.get(f"evaluation/{name}")
    test = _json(evaluation / "metrics.json")["test"] if evaluation else {}
    return Line(name, run_id, summary["epochs"], cost["seconds"], summary["valid"], test)


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value
