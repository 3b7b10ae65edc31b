"""Runs one function in several real processes that meet over gloo; what each returns comes back as JSON."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tests.warm import start

_MAIN = """
import datetime, importlib.util, json, os, sys, warnings
warnings.simplefilter('error')
import torch, torch.distributed as dist
from recsys_cl.ops.ranks import Ranks
torch.set_num_threads(1)
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=float(sys.argv[4])))
spec = importlib.util.spec_from_file_location("acts", sys.argv[1])
acts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(acts)
answer = getattr(acts, sys.argv[2])(Ranks(dist.get_rank(), dist.get_world_size()))
with open(sys.argv[3] + os.environ["RANK"], "w") as file:
    file.write(json.dumps(answer))
os._exit(0)  # gloo aborts now and then where the others take it down at the same time; what was to be seen has been written
"""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def meeting(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun would set."""
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size), "RANK": str(rank)}
    return {**meet, "LOCAL_RANK": str(rank)}


def in_processes(file: str, function: str, folder: Path, *, size: int = 2, timeout: float = 60) -> list:
    """Call ``function(ranks)`` of ``file`` in ``size`` processes; their answers, by rank."""
    port = free_port()
    told = (file, function, folder / "answer", timeout)
    started = [start(_MAIN, *told, env=meeting(rank, size, port)) for rank in range(size)]
    ended = [one.done() for one in started]
    assert [one.returncode for one in ended] == [0] * size, "\n".join(one.stderr for one in ended)
    return [json.loads((folder / f"answer{rank}").read_text("utf-8")) for rank in range(size)]
