"""A team's store on this machine: PostgreSQL and an S3-compatible server for as long as the tests run, and MLflow over both."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

import pytest

ROOT = Path(__file__).parents[2]
PASSWORD = "p/w@rd-" + secrets.token_hex(8)  # with what an address must spell otherwise
BUCKET = "team"


@dataclass(frozen=True, slots=True)
class Team:
    """``folder`` is where commands are run; their environment names the server, and nothing of what is behind it."""

    folder: Path
    address: str  # of the MLflow server
    database: str  # of PostgreSQL, with the password
    s3: Any  # a boto3 client

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """``recsys-cl ARGUMENTS``."""
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
        known = {"MLFLOW_TRACKING_URI": self.address, "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
        return subprocess.run(
            [sys.executable, "-m", "recsys_cl", *arguments],
            cwd=self.folder,
            env={**os.environ, **quiet, **known, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What PostgreSQL itself answers."""
        import psycopg

        with psycopg.connect(self.database.replace("+psycopg", "")) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def objects(self) -> dict[str, int]:
        """Bytes of each object in the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", ())}


@pytest.fixture(scope="session")
def team() -> Iterator[Team]:
    """Skipped, saying so, where PostgreSQL or the S3-compatible server is not installed."""
    binaries = postgres_binaries()
    pytest.importorskip("psycopg", reason="psycopg is not installed: make test-services installs it")
    pytest.importorskip("moto.server", reason="moto[server] is not installed: make test-services installs it")
    with ExitStack() as last:
        folder = Path(tempfile.mkdtemp(prefix="recsys-cl-services-"))
        last.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)  # PostgreSQL runs as another user and looks into its own folder below
        (folder / "work").mkdir()
        database = last.enter_context(postgres(binaries, folder))
        s3, keys = last.enter_context(object_store())
        address = last.enter_context(mlflow_server(folder, database, keys))
        yield Team(folder / "work", address, database, s3)


def postgres_binaries() -> Path:
    """The folder of ``initdb``: on PATH, or where Debian puts it."""
    there = shutil.which("initdb")
    found = [Path(there).parent] if there else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found or not (found[-1] / "initdb").exists():
        pytest.skip("no PostgreSQL is installed here (no initdb): make test-services installs it")
    return found[-1]


@contextmanager
def postgres(binaries: Path, folder: Path) -> Iterator[str]:
    """A server of its own on a free port of loopback, that asks for a password; the address of an empty database.

    It refuses to run as root, who therefore starts it as the user of Debian's package, or as nobody.
    """
    import pwd

    import psycopg

    home, port, prefix = folder / "postgres", free_port(), []
    home.mkdir()
    secret = home / "password"
    secret.write_text(PASSWORD)
    if os.geteuid() == 0:
        known = {each.pw_name for each in pwd.getpwall()}
        user = "postgres" if "postgres" in known else "nobody"
        prefix = ["runuser", "-u", user, "--"]
        for each in (home, secret):
            shutil.chown(each, user)
    data, options = str(home / "data"), f"-h 127.0.0.1 -p {port} -k {home} -c fsync=off"
    done(*prefix, str(binaries / "initdb"), "-D", data, "-U", "team", "--auth", "scram-sha-256", "--pwfile", str(secret))
    done(*prefix, str(binaries / "pg_ctl"), "-D", data, "-o", options, "-l", str(home / "log"), "-w", "-t", "120", "start")
    try:
        server = f"team:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
        with psycopg.connect(f"postgresql://{server}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE mlflow")
        yield f"postgresql+psycopg://{server}/mlflow"
    finally:
        done(*prefix, str(binaries / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")


@contextmanager
def object_store() -> Iterator[tuple[Any, dict[str, str]]]:
    """An S3-compatible server on loopback with one bucket; a client of it, and the environment that a client needs."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        keys = {"AWS_ACCESS_KEY_ID": "team", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(8), "AWS_DEFAULT_REGION": "us-east-1"}
        s3 = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="team",
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )
        s3.create_bucket(Bucket=BUCKET)
        yield s3, {**keys, "MLFLOW_S3_ENDPOINT_URL": endpoint}
    finally:
        server.stop()


@contextmanager
def mlflow_server(folder: Path, database: str, keys: Mapping[str, str]) -> Iterator[str]:
    """`mlflow server` as docs/mlflow.md starts it; only it has the password and the keys."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database, "--artifacts-destination", f"s3://{BUCKET}/mlflow"]
    environment = {**os.environ, **keys, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "mlflow.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/health", process, folder / "mlflow.log")
        yield address
    finally:
        with suppress(ProcessLookupError):  # it has ended, and the test says why
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 900) -> None:
    """Until ``url`` answers."""
    pause = Event()
    for _ in range(int(seconds * 2)):
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            pause.wait(0.5)
    raise AssertionError(f"{url} does not answer after {seconds} s: {log.read_text()[-3000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def done(*command: str) -> None:
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{command[-1]}: {ended.stdout[-1500:]}{ended.stderr[-1500:]}"
