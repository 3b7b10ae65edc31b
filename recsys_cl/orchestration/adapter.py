"""One pipeline as Dagster sees it: a stage is an asset, what it found is a check, a run is a job, and cron starts it.

Dagster keeps no data and decides nothing of what is made: every asset asks the runner, which skips what is there.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster
from dagster import AssetExecutionContext, MaterializeResult

from recsys_cl.core.errors import Busy, Refused
from recsys_cl.core.files import digest_json
from recsys_cl.core.protocols import Stage
from recsys_cl.core.schedule import Append, Schedule
from recsys_cl.orchestration.checks import CHECKS, outcome_of
from recsys_cl.stages.pipeline import Plan, plan_of
from recsys_cl.stages.runner import needed_for, run_stages
from recsys_cl.stages.turn import turn

APPEND = "append"
_WAITING = [dagster.DagsterRunStatus.QUEUED, dagster.DagsterRunStatus.NOT_STARTED, dagster.DagsterRunStatus.STARTING]
"""Of a run that will ask for the turn and has not yet."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What one pipeline adds to the definitions."""

    assets: list[Any]
    jobs: list[Any]
    schedules: list[Any]
    resources: dict[str, Any]


def scheduled(path: Path, data_dir: Path, tracking_uri: str | None) -> Scheduled:
    """The pipeline in the TOML at ``path``.

    Raises:
        Refused: as `recsys_cl.config.load_pipeline`.
    """
    plan = plan_of(path, (), data_dir, tracking_uri)
    name, schedule = plan.pipeline.name, plan.pipeline.schedule
    days = schedule.append if schedule else None
    assets = [_asset(plan, stage, days is not None) for stage in plan.stages]
    keys = [_key(name, stage.name) for stage in plan.stages]
    executor = dagster.in_process_executor  # a process a stage would spend seconds on imports alone
    jobs = []
    if schedule and days:
        assets.append(_append_asset(plan, schedule, days))
        keys.append(_key(name, APPEND))
        backfill = dagster.AssetSelection.assets(_key(name, APPEND))
        jobs.append(dagster.define_asset_job(f"{slug(name)}_append", backfill, executor_def=executor))
    job = dagster.define_asset_job(slug(name), dagster.AssetSelection.assets(*keys), executor_def=executor)
    ticks = [_schedule(plan, schedule, job)] if schedule else []
    return Scheduled(assets, [job, *jobs], ticks, {_turn(name): dagster.resource(_turns(plan))})


def slug(name: str) -> str:
    """A name as Dagster takes them."""
    return re.sub(r"\W", "_", name)


def _key(pipeline: str, stage: str) -> dagster.AssetKey:
    return dagster.AssetKey([slug(part) for part in (pipeline, *stage.split("/"))])


def _turn(pipeline: str) -> str:
    return f"turn_{slug(pipeline)}"


def _turns(plan: Plan) -> Callable[[Any], Iterator[None]]:
    """The pipeline's turn for as long as a run goes on: one that comes meanwhile waits, then finds everything made."""

    def hold(_context: Any) -> Iterator[None]:
        with turn(plan.store.root, wait=True):
            yield

    return hold


def _asset(plan: Plan, stage: Stage, appended: bool) -> Any:  # noqa: FBT001 - a private builder
    name, schedule = plan.pipeline.name, plan.pipeline.schedule
    makers = {artifact: each.name for each in plan.stages for artifact in each.writes}
    deps = sorted({makers[artifact] for artifact in stage.reads})
    if stage.name == "ingest" and appended:
        deps.append(APPEND)
    key = _key(name, stage.name)
    made: Any = dagster.asset(
        key=key,
        deps=[_key(name, each) for each in deps],
        group_name=slug(name),
        description=(type(stage).__doc__ or "").partition("\n")[0],
        code_version=str(stage.version),
        retry_policy=_retries(schedule),
        required_resource_keys={_turn(name)},
        check_specs=[dagster.AssetCheckSpec(CHECKS[stage.name], asset=key)] if stage.name in CHECKS else None,
    )
    return made(_materialising(plan, stage))


def _materialising(plan: Plan, stage: Stage) -> Callable[[AssetExecutionContext], Any]:
    def materialise(context: AssetExecutionContext) -> MaterializeResult:
        def watch(name: str, status: str, seconds: float) -> None:
            context.log.info(f"{name} {status} {seconds:.1f} s")

        chain = needed_for(plan.stages, stage.name)
        done = _explained(lambda: run_stages(chain, plan.store, watch)).done[-1]
        facts: Mapping[str, Any] = done.receipt.facts
        return MaterializeResult(
            metadata={**facts["counts"], "status": done.status, "seconds": done.seconds, "folder": str(done.receipt.folder)},
            data_version=dagster.DataVersion(digest_json(facts["writes"])),
            check_results=_checks(stage, done.receipt),
        )

    return materialise


def _checks(stage: Stage, receipt: Any) -> list[Any]:
    if stage.name not in CHECKS:
        return []
    found = outcome_of(stage.name, receipt)
    severity = dagster.AssetCheckSeverity.ERROR if found.serious else dagster.AssetCheckSeverity.WARN
    return [
        dagster.AssetCheckResult(
            passed=found.passed, check_name=CHECKS[stage.name], severity=severity, metadata={"said": found.said}
        )
    ]


def _explained(work: Callable[[], Any]) -> Any:
    """What a person must mend is not tried again; what the environment failed at is, by the retry policy."""
    try:
        return work()
    except Refused as error:
        raise dagster.Failure(description=str(error), allow_retries=False) from error


def _retries(schedule: Schedule | None) -> Any:
    if schedule is None or not schedule.retries:
        return None
    return dagster.RetryPolicy(
        max_retries=schedule.retries, delay=schedule.backoff_seconds, backoff=dagster.Backoff.EXPONENTIAL
    )


def _append_asset(plan: Plan, schedule: Schedule, days: Append) -> Any:
    def add_day(context: AssetExecutionContext) -> MaterializeResult:
        from recsys_cl.stages.append_day import append_day

        account = _explained(lambda: append_day(plan.pipeline.ingest, days, date.fromisoformat(context.partition_key)))
        facts = {name: value for name, value in account.items() if isinstance(value, int | float | str)}
        return MaterializeResult(metadata=facts, data_version=dagster.DataVersion(str(account["digest"])))

    made: Any = dagster.asset(
        key=_key(plan.pipeline.name, APPEND),
        group_name=slug(plan.pipeline.name),
        description="The log of one day goes into the data set; the same day again changes nothing.",
        partitions_def=dagster.DailyPartitionsDefinition(days.since, timezone=schedule.timezone),
        retry_policy=_retries(schedule),
        required_resource_keys={_turn(plan.pipeline.name)},
    )
    return made(add_day)


def _schedule(plan: Plan, schedule: Schedule, job: Any) -> Any:
    """Ticks that were missed are one tick: Dagster asks for the newest only, and the runner makes what is not there."""
    name = slug(plan.pipeline.name)

    def tick(context: dagster.ScheduleEvaluationContext) -> Any:
        waiting = context.instance.get_runs(dagster.RunsFilter(job_name=name, statuses=_WAITING), limit=1)
        if waiting:
            return dagster.SkipReason(f"run {waiting[0].run_id} of this pipeline is about to start; left to it")
        try:
            with turn(plan.store.root):
                pass
        except Busy as busy:
            return dagster.SkipReason(str(busy))
        asked = context.scheduled_execution_time
        return dagster.RunRequest(run_key=asked.isoformat(), partition_key=day_before(asked, schedule))

    return dagster.ScheduleDefinition(
        name=f"{name}_schedule",
        job=job,
        cron_schedule=schedule.cron,
        execution_timezone=schedule.timezone,
        execution_fn=tick,
        default_status=dagster.DefaultScheduleStatus.RUNNING,
    )


def day_before(tick: datetime, schedule: Schedule) -> str | None:
    """The last whole day at ``tick``, as the partition to append; None where nothing is appended."""
    if schedule.append is None:
        return None
    return (tick.astimezone(ZoneInfo(schedule.timezone)).date() - timedelta(days=1)).isoformat()
