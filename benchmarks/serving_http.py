"""`recsys-cl serve` under load: clients that ask one after the other on connections kept open, while the alias moves."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import ROOT
from benchmarks.serving_model import GOWALLA, made, register
from recsys_cl.serving.load import load_bundle

CLIENTS, K = 32, 20
_WARM = 2.0  # seconds that are not counted


@dataclass
class Seen:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)


def load(seconds: float, moves: int, model: str | None) -> dict[str, Any]:
    """Rate, latency and errors of `CLIENTS` clients who each want `K` items.

    Args:
        seconds: how long they ask.
        moves: how often the alias goes from one version to another meanwhile.
        model: a trained one, which is registered twice; None: two of random vectors, of Gowalla's size.
    """
    with TemporaryDirectory() as scratch:
        bundles = [load_bundle(model)] * 2 if model else [made(GOWALLA, seed=version) for version in (1, 2)]
        what = model or "random vectors"
        users, uri = bundles[0].user_ids.tolist(), register(Path(scratch), bundles)
        asked = ["serve", "--model", "models:/load@champion", "--port", "0", "--every", "1", "--tracking-uri", uri]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        server = subprocess.Popen(
            [sys.executable, "-m", "recsys_cl", *asked], stdout=subprocess.PIPE, text=True, env=environment
        )
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().split(" (")[0].rsplit(":", 1)[1])
            told = asyncio.run(_measured(port, server.pid, uri, users, seconds, moves))
        finally:
            server.terminate()
            server.wait(30)
    size = "{:,} users x {:,} items x {}".format(*(len(users), *bundles[0].items.shape))
    return {"what": f"{size}, {what}; 1 process, {CLIENTS} clients, k={K}", **told}


async def _measured(port: int, pid: int, uri: str, people: list[str], seconds: float, moves: int) -> dict[str, Any]:
    await _all_ask(port, people, _WARM, Seen())
    seen, before = Seen(), _cpu(pid)
    moving = asyncio.create_task(_move(uri, seconds, moves))
    began = time.perf_counter()
    await _all_ask(port, people, seconds, seen)
    took = time.perf_counter() - began
    await moving
    ordered = sorted(seen.seconds)
    milliseconds = {
        f"p{share:g}": 1000 * ordered[min(int(len(ordered) * share / 100), len(ordered) - 1)] for share in (50, 95, 99, 100)
    }
    return {
        "seconds": took,
        "requests": len(ordered),
        "requests_per_second": len(ordered) / took,
        "milliseconds": milliseconds,
        "errors": sum(seen.wrong.values()),
        "kinds_of_error": dict(seen.wrong),
        "alias_moves": moves,
        "answers_by_model": dict(seen.models),
        "server_cpu_share": (_cpu(pid) - before) / took,
        "server_peak_mib": _peak_mib(pid),
    }


async def _all_ask(port: int, people: list[str], seconds: float, seen: Seen) -> None:
    until, users = time.perf_counter() + seconds, (people[number * 7919 % len(people)] for number in itertools.count())
    await asyncio.gather(*(_client(port, until, users, seen) for _ in range(CLIENTS)))


async def _client(port: int, until: float, users: Iterator[str], seen: Seen) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        user = next(users)
        began = time.perf_counter()
        try:
            writer.write(f"GET /recommend?user_id={user}&k={K} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        except (OSError, EOFError) as error:
            seen.wrong[type(error).__name__] += 1
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            continue
        seen.seconds.append(time.perf_counter() - began)
        _check(head, body, user, seen)
    writer.close()


def _check(head: bytes, body: bytes, user: str, seen: Seen) -> None:
    """Every answer is looked at; only every hundredth is taken apart, or the clients would be what is measured."""
    if not head.startswith(b"HTTP/1.1 200"):
        seen.wrong[head.split(b"\r\n")[0].decode()] += 1
    elif body.count(b'"item_id"') != K or f'"{user}"'.encode() not in body:
        seen.wrong["another answer"] += 1
    else:
        seen.models[body.split(b'"', 4)[3].decode()] += 1
        if len(seen.seconds) % 100 == 0:
            scores = [item["score"] for item in json.loads(body)["users"][0]["items"]]
            if scores != sorted(scores, reverse=True):
                seen.wrong["not in order"] += 1


async def _move(uri: str, seconds: float, moves: int) -> None:
    from recsys_cl.core.mlflow import connect

    client = connect(uri)
    for move in range(moves):
        await asyncio.sleep(seconds / (moves + 1))
        await asyncio.to_thread(client.set_registered_model_alias, "load", "champion", str(2 - move % 2))


def _cpu(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**10
