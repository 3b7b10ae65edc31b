"""The container file copies what exists, pins what it installs, runs without rights and asks a route that is there.

It is read, not built: that needs podman or docker and the network.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def instructions() -> list[tuple[str, str]]:
    """Each instruction with what it says, in order; comments left out, continued lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Containerfile").read_text("utf-8")).replace("\\\n", " ")
    return [
        (name.upper(), said.strip()) for line in text.splitlines() if line.strip() for name, _, said in [line.partition(" ")]
    ]


def said(name: str) -> list[str]:
    return [what for each, what in instructions() if each == name]


def test_everything_that_is_copied_is_there_and_not_left_out() -> None:
    copied = [word for line in said("COPY") if "--from=" not in line for word in shlex.split(line)[:-1]]
    kept = {line[1:] for line in (ROOT / ".containerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not tracked or any(each == source or each.startswith(f"{source}/") for each in tracked), (
            f"{source} is in no clone"
        )
    assert set(copied) == kept, ".containerignore lets in what is copied, and nothing else"


def test_nothing_that_the_build_reads_is_missing() -> None:
    project = {PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml"}
    assert project <= {word for line in said("COPY") for word in shlex.split(line)}


def test_every_installation_is_pinned() -> None:
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line}
    installs = [line for line in said("RUN") if "pip install" in line]
    assert len(installs) == 2
    for line in installs:
        assert "--constraint constraints.txt" in line
    assert "download.pytorch.org/whl/cpu torch" in installs[0]
    assert "torch" in pinned
    extras = re.search(r"\.\[([\w,]+)\]", installs[1])
    assert extras is not None
    assert set(extras[1].split(",")) <= set(PROJECT["optional-dependencies"])
    for image in said("FROM"):
        name, _, _stage = image.partition(" AS ")
        assert name in ("run",) or re.fullmatch(r"[\w./-]+:\d+\.\d+-[\w-]+", name), f"{name}: a version, never latest"


def test_it_runs_as_nobody_in_particular_and_starts_our_command() -> None:
    [user] = said("USER")
    assert user.split(":")[0].isdigit()
    assert int(user.split(":")[0]) >= 1000
    assert any(f"--uid {user.split(':')[0]}" in line for line in said("RUN"))
    order = [name for name, what in instructions()]
    assert order.index("USER") < order.index("ENTRYPOINT")
    for entry in map(json.loads, said("ENTRYPOINT")):
        assert entry[0] in PROJECT["scripts"]


def test_the_health_check_asks_a_route_that_is_served_on_the_port_that_is_opened() -> None:
    pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
    from recsys_cl.serving.app import PATHS

    [check] = said("HEALTHCHECK")
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", check)
    assert asked is not None
    assert asked[2] in PATHS
    assert [asked[1]] == said("EXPOSE")
    serve = json.loads(said("ENTRYPOINT")[-1])
    assert serve[serve.index("--port") + 1] == asked[1]
    compile(json.loads(check[check.index("[") :])[2], "HEALTHCHECK", "exec")
