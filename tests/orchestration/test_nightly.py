"""A shop's nights under Dagster: the log of a day comes in, the model is made anew, and only the better one answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recsys_cl.stages.pipeline import run_pipeline

dagster = pytest.importorskip("dagster", reason="the extra 'schedule' is not installed: make test-schedule runs this")

from benchmarks.nights import store_of, three_nights  # noqa: E402 - only where there is Dagster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # three whole pipelines
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def nights(root: Path) -> list[dict[str, Any]]:
    return three_nights(root)


def test_the_first_version_answers_the_second_is_promoted_the_third_is_blocked(nights: list[dict[str, Any]]) -> None:
    first, second, third = nights
    assert [each["run"] for each in nights] == ["SUCCESS"] * 3, "a version that is kept back is no failure"
    assert first["checks"] == {"data_contract": True, "no_leakage": True, "beats_champion": True}
    assert first["decision"]["outcome"] == "unchanged", "the first version ever is the champion already"

    decision = second["decision"]
    assert (decision["outcome"], decision["champion_before"], decision["remeasured"]) == ("promoted", 1, "yes")
    assert [gate["name"] for gate in decision["gates"]] == ["difference", "drift", "leakage", "coverage", "latency"]
    assert second["aliases"] == {"challenger": 2, "champion": 2, "previous": 1}

    decision = third["decision"]
    assert decision["outcome"] == "kept back"
    assert next(gate["name"] for gate in decision["gates"] if gate["verdict"] == "blocked") == "difference"
    assert third["checks"] == {"data_contract": True, "no_leakage": True, "beats_champion": False}
    assert third["aliases"] == {"challenger": 3, "champion": 2, "previous": 1}


def test_the_plain_runner_finds_the_same_artifacts_made(root: Path, nights: list[dict[str, Any]]) -> None:
    path = root / "pipelines" / "shop.toml"
    plain = run_pipeline(path, (), root / "data", store_of(root), lambda *_: None, once=True)
    assert {status for _, status, _ in plain.stages} == {"skipped"}
    assert plain.promotion == nights[-1]["decision"]
    assert any(line.startswith("promote version 3 kept back: difference") for line in plain.places())


def test_without_dagster_the_artifacts_are_the_same_bytes(root: Path, nights: list[dict[str, Any]], tmp_path: Path) -> None:
    """All that holds neither a time nor a count of this store: what was ingested, prepared and trained."""
    path = root / "pipelines" / "shop.toml"
    run_pipeline(path, (), tmp_path / "data", f"sqlite:///{tmp_path}/mlruns/mlflow.db", lambda *_: None, until="train")
    ours, theirs = (folder / "data" / "night-shop" for folder in (tmp_path, root))
    files = sorted(each.relative_to(ours) for each in ours.glob("[!.]*/*/**/*") if each.is_file())
    assert {file.parts[0] for file in files} == {"ingest", "prepare", "train-mf-bpr", "train-popular", "train-recent-popular"}
    for file in files:
        if file.name not in ("receipt.json", "cost.json"):
            assert (ours / file).read_bytes() == (theirs / file).read_bytes(), file
