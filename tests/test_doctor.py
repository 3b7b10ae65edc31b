"""What `recsys-cl doctor` says of versions, disk and store is so, and it says no password."""

from __future__ import annotations

import shutil
import socket
from importlib import metadata
from pathlib import Path

import pytest

from recsys_cl import doctor
from recsys_cl.doctor import Finding, examine


def found(what: str, folder: Path, uri: str | None = None) -> Finding:
    return next(finding for finding in examine(folder / "data", uri) if finding.what == what)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_version_below_its_floor_is_an_error_that_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "2.9.1" if name == "torch" else plain(name))
    finding = found("torch", tmp_path)
    assert (finding.level, finding.found) == ("error", "2.9.1")
    assert finding.advice == "needs >= 2.10: older ones have known memory corruption in weight loading (CVE-2026-24747)"


def test_a_full_disk_and_little_memory_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**29))
    assert (found("disk", tmp_path).level, found("disk", tmp_path).advice) == ("error", "make room")
    assert found("device", tmp_path).found.startswith(("cpu, ", "NVIDIA", "AMD"))
    assert "GiB available" in found("memory", tmp_path).found


def test_looking_makes_no_store_and_one_that_is_there_answers(tmp_path: Path) -> None:
    assert found("tracking store", tmp_path).level == "ok"
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()
    from recsys_cl.tracking.store import open_store

    open_store(tmp_path)
    assert found("tracking store", tmp_path).found == f"sqlite:///{tmp_path}/mlruns/mlflow.db answers"
    (tmp_path / "mlruns" / "mlflow.db").write_text("no database")
    assert found("tracking store", tmp_path).level == "error"


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_server_that_does_not_answer_is_an_error_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://someone:hunter%2F2@127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    if by == "environment":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    finding = found("tracking store", tmp_path, uri if by == "argument" else None)
    assert finding.level == "error"
    assert f"127.0.0.1:{port}" in finding.found
    assert "hunter" not in f"{finding}"


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file is in the way")
    assert found("data folder", tmp_path).level == "error"
    assert doctor.FLOORS["mlflow"][0] == "3.17.2"


def test_a_store_that_cannot_be_made_is_mended_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = found("tracking store", tmp_path, f"sqlite:///{tmp_path}/file/mlflow.db")
    assert (finding.level, finding.advice) == ("error", "check --tracking-uri or MLFLOW_TRACKING_URI")
