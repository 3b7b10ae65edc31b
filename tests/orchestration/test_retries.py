"""What the environment failed at is tried again, later and later, and goes on there; what a person must mend is not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recsys_cl.core.errors import RecsysError, Refused, Unavailable
from recsys_cl.core.protocols import Job
from recsys_cl.stages.evaluate import EvaluateStage
from recsys_cl.stages.turn import turn

dagster = pytest.importorskip("dagster", reason="the extra 'schedule' is not installed: make test-schedule runs this")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
]

PIPELINE = """
name = "patient"

[ingest.source]
use = "synthetic"
users = 60
items = 40
events = 1500

[prepare]
split = { use = "time" }

[schedule]
cron = "30 2 * * *"
retries = 2
backoff_seconds = 0.25

[[experiments]]
recipe = "mf-bpr"
set.encoder.dim = 4
set.training = { epochs = 1, refit = false }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "patient.toml").write_text(PIPELINE)
    return tmp_path


def execute(folder: Path, **options: Any) -> Any:
    from recsys_cl.orchestration.folder import definitions

    defs = definitions(folder / "pipelines", folder / "data", f"sqlite:///{folder}/mlruns/mlflow.db")
    return defs.resolve_job_def("patient").execute_in_process(raise_on_error=False, **options)


def failing(monkeypatch: pytest.MonkeyPatch, *errors: RecsysError) -> list[str]:
    """The evaluation of mf-bpr fails so often before it works; whose evaluations were begun is told."""
    plain, left, begun = EvaluateStage.run, list(errors), []

    def run(stage: EvaluateStage, job: Job) -> Mapping[str, float]:
        begun.append(stage.experiment)
        if stage.experiment == "mf-bpr" and left:
            raise left.pop(0)
        return plain(stage, job)

    monkeypatch.setattr(EvaluateStage, "run", run)
    return begun


def waits(result: Any) -> list[float]:
    return [each.step_retry_data.seconds_to_wait for each in result.all_events if each.event_type_value == "STEP_UP_FOR_RETRY"]


def statuses(result: Any) -> dict[str, str]:
    return {
        "/".join(event.asset_key.path[1:]): event.materialization.metadata["status"].value
        for event in result.get_asset_materialization_events()
    }


def test_a_full_disk_is_waited_for_and_only_that_stage_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = failing(monkeypatch, Unavailable("the disk is full"), Unavailable("the disk is full"))
    result = execute(folder)
    assert result.success
    assert waits(result) == [0.25, 0.75], "longer before each further try"
    assert begun.count("mf-bpr") == 3
    assert begun.count("popular") == begun.count("recent-popular") == 1, "what is made stays made"
    assert set(statuses(result).values()) == {"done"}


def test_more_failures_than_tries_fail_the_run_and_the_next_goes_on_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, *(Unavailable("the disk is full") for _ in range(3)))
    first = execute(folder)
    assert not first.success
    assert {step.step_key for step in first.get_step_failure_events()} == {"patient__evaluate__mf_bpr"}
    assert "evaluate/popular" in statuses(first), "its neighbours do not wait for it"
    again = execute(folder)
    assert again.success
    made = {name for name, status in statuses(again).items() if status == "done"}
    assert made == {"evaluate/mf_bpr", "report", "register"}


def test_what_was_refused_is_not_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = failing(monkeypatch, Refused("nobody can be evaluated"))
    result = execute(folder)
    assert not result.success
    assert (waits(result), begun.count("mf-bpr")) == ([], 1)
    [failed] = [event for event in result.get_step_failure_events() if event.step_key == "patient__evaluate__mf_bpr"]
    assert "nobody can be evaluated" in failed.step_failure_data.user_failure_data.description


def test_a_tick_leaves_the_work_to_whoever_is_at_it(folder: Path) -> None:
    from recsys_cl.orchestration.folder import definitions

    defs = definitions(folder / "pipelines", folder / "data")
    schedule = defs.resolve_schedule_def("patient_schedule")
    (folder / "home").mkdir()
    with dagster.DagsterInstance.local_temp(str(folder / "home")) as instance:

        def tick() -> Any:
            context = dagster.build_schedule_context(instance, scheduled_execution_time=datetime.now(UTC))
            return schedule.evaluate_tick(context)

        assert len(tick().run_requests) == 1
        with turn(folder / "data" / "patient"):
            held = tick()
        assert held.run_requests == []
        assert "is being run by process" in held.skip_message
        queued = instance.create_run_for_job(
            defs.resolve_job_def("patient"),
            status=dagster.DagsterRunStatus.STARTING,
            run_id="0" * 8 + "-0000-4000-8000-" + "0" * 12,
        )
        waiting = tick()
        assert waiting.run_requests == []
        assert f"run {queued.run_id} of this pipeline is about to start" in waiting.skip_message
