"""A password in the store's address is in no line, file or answer, whatever command meets a store that does not answer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.warm import recsys_cl

PASSWORD, SPELT = "hunter/2+word", "hunter%2F2%2Bword"
PIPELINE = """
name = "small"
[ingest.source]
use = "csv"
path = "log.csv"
[prepare]
split = { use = "leave_last_out" }
[[experiments]]
recipe = "mf-bpr"
set.encoder.dim = 4
set.training = { epochs = 1, refit = false }
"""
LOG = "user_id,item_id,timestamp\n" + "".join(f"u{u},i{(u + n) % 7},{1_600_000_000 + n}\n" for u in range(5) for n in range(5))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(PIPELINE)
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "small.toml", "--log-format", "json", "--jobs", "2"], 3),
        (["run", "small.toml", "--explain", "--json"], 0),
        (["doctor", "--json"], 3),
        (["models", "list"], 3),
        (["promote", "--model", "small"], 3),
        (["runs", "reap"], 3),
        (["recommend", "--model", "models:/small@champion", "--out", "x.parquet"], 3),
    ],
    ids=lambda value: "-".join(map(str, value[:2])) if isinstance(value, list) else "",
)
def test_no_command_says_it(folder: Path, arguments: list[str], code: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://someone:{SPELT}@127.0.0.1:{port}"
    quiet = {"COLUMNS": "400", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    ended = recsys_cl(*arguments, cwd=folder, env={"MLFLOW_TRACKING_URI": address, **quiet})
    assert ended.returncode == code, ended.stderr[-3000:]
    assert "Traceback" not in ended.stderr
    written = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    said = (ended.stdout + ended.stderr).encode() + written
    for secret in (PASSWORD, SPELT):
        assert secret.encode() not in said
    assert code == 0 or f"127.0.0.1:{port}".encode() in said, "who does not answer is named"
