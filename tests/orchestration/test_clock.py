"""``make schedule`` for real: the page on loopback, a tick that runs, missed ticks that are one run, a backfill by day.

One deployment lives through all of it, in the order of this file; it takes some minutes, because a cron line has no seconds.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from recsys_cl.ingest.versions.manifest import read_version
from tests.orchestration.deployment import LOCATION, Deployment, free_port

dagster = pytest.importorskip("dagster", reason="the extra 'schedule' is not installed: make test-schedule runs this")
pytest.importorskip("dagster_webserver", reason="the extra 'schedule' is not installed: make test-schedule runs this")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
SELECTOR = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    made = Deployment(tmp_path_factory.mktemp("clock"), free_port())
    made.prepare()
    made.start()
    try:
        yield made
    finally:
        made.stop()


def test_the_page_listens_on_loopback_with_an_embedded_store_and_no_telemetry(deployment: Deployment) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{deployment.port}/", timeout=60) as reply:
        assert b"<!doctype html>" in reply.read().lower()
    assert deployment.listening() == {"127.0.0.1"}
    with dagster.DagsterInstance.from_config(str(deployment.root / "home")) as instance:
        assert instance.telemetry_enabled is False
        assert type(instance.run_storage).__name__ == "SqliteRunStorage"
    assert not list((deployment.root / "user").rglob("*telemetry*"))
    said = deployment.ask(
        "query($at: RepositorySelector!) { schedulesOrError(repositorySelector: $at) "
        "{ ... on Schedules { results { name cronSchedule scheduleState { status } } } } }",
        at=SELECTOR,
    )
    assert said["schedulesOrError"]["results"] == [
        {"name": "clock_schedule", "cronSchedule": "* * * * *", "scheduleState": {"status": "RUNNING"}}
    ]


def test_the_clock_runs_the_pipeline_and_appends_the_day_before(deployment: Deployment) -> None:
    def succeeded() -> list[dict[str, Any]]:
        return [run for run in deployment.by_the_clock() if run["status"] == "SUCCESS"]

    [first, *_] = deployment.until(succeeded, "a run by the clock has ended well")
    assert first["tags"]["dagster/partition"] == deployment.days[-1]
    receipts = [json.loads(path.read_text()) for path in (deployment.root / "data" / "clock").glob("[!.]*/*/receipt.json")]
    assert {each["stage"] for each in receipts} >= {"ingest", "train/mf-bpr", "evaluate/mf-bpr", "report", "register"}


def test_past_days_come_in_by_a_backfill(deployment: Deployment) -> None:
    past = deployment.days[:-1]
    params = {"assetSelection": [{"path": ["clock", "append"]}], "partitionNames": past}
    begun = deployment.ask(
        "mutation($what: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $what) "
        "{ __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }",
        what=params,
    )["launchPartitionBackfill"]
    assert begun["__typename"] == "LaunchBackfillSuccess", begun

    def ended() -> str:
        said = deployment.ask(
            "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }",
            id=begun["backfillId"],
        )["partitionBackfillOrError"]["status"]
        return said if said in ("COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED") else ""

    assert deployment.until(ended, "the backfill has ended") == "COMPLETED_SUCCESS"
    logs = pd.concat([pd.read_csv(deployment.root / "logs" / f"{day}.csv") for day in deployment.days])
    assert read_version(deployment.root / "shop").rows == len(logs.drop_duplicates()), "every day once, whatever their order"


def test_two_runs_at_once_make_everything_once(deployment: Deployment) -> None:
    """By hand, beside the clock: whoever comes second waits for the turn, and finds it made."""
    asked = {"selector": {**SELECTOR, "jobName": "clock"}, "runConfigData": {}}
    asked["executionMetadata"] = {"tags": [{"key": "dagster/partition", "value": deployment.days[-1]}]}

    def launch(_number: int) -> str:
        said = deployment.ask(
            "mutation($what: ExecutionParams!) { launchRun(executionParams: $what) "
            "{ __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
            what=asked,
        )["launchRun"]
        assert said["__typename"] == "LaunchRunSuccess", said
        return str(said["run"]["runId"])

    with ThreadPoolExecutor(2) as pool:
        ours = set(pool.map(launch, range(2)))
    ended = ("SUCCESS", "FAILURE", "CANCELED")
    found = deployment.until(
        lambda: [s for s in [[r["status"] for r in deployment.runs() if r["id"] in ours]] if all(x in ended for x in s)],
        "both runs have ended",
    )
    assert found == [["SUCCESS", "SUCCESS"]]
    receipts = [json.loads(path.read_text()) for path in (deployment.root / "data" / "clock").glob("[!.]*/*/receipt.json")]
    made = [(each["stage"], each["fingerprint"]) for each in receipts]
    assert len(made) == len(set(made))
    statuses = [each for run_id in ours for each in statuses_of(deployment, run_id)]
    assert statuses.count("done") <= len(set(made)), "nothing was made by both"


def statuses_of(deployment: Deployment, run_id: str) -> list[str]:
    """What each stage of a run said of itself: ``done`` or ``skipped``."""
    said = deployment.ask(
        "query($id: ID!) { runOrError(runId: $id) { ... on Run { eventConnection { events "
        "{ ... on MaterializationEvent { metadataEntries { label ... on TextMetadataEntry { text } } } } } } } }",
        id=run_id,
    )
    events = said["runOrError"]["eventConnection"]["events"]
    return [entry["text"] for event in events for entry in event.get("metadataEntries", ()) if entry["label"] == "status"]


def test_ticks_that_were_missed_are_one_run(deployment: Deployment) -> None:
    assert deployment.stop() == [], "SIGINT ends every process"
    stopped = datetime.now(UTC).timestamp()
    deployment.until(lambda: datetime.now(UTC).timestamp() // 60 - stopped // 60 >= 3, "three ticks have been missed")
    back = datetime.now(UTC).timestamp()
    deployment.start()

    def ticked() -> list[float]:
        keys = [run["tags"]["dagster/run_key"] for run in deployment.by_the_clock()]
        times = [datetime.fromisoformat(key).timestamp() for key in keys]
        return times if any(time > stopped for time in times) else []

    times = deployment.until(ticked, "the clock has begun another run")
    missed = [time for time in times if stopped < time <= back]
    assert len(missed) <= 1, "the newest of those that were missed, or none where the next had come by then"
    assert not [time for time in times if stopped < time < back - 120], "older ones are not run"
