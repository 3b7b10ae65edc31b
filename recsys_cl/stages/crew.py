"""Several processes run one pipeline: rank 0 as if it were alone, and calls the others to the stages that can use them.

`torchrun --nproc-per-node N -m recsys_cl run PIPELINE` starts N of them. Only rank 0 looks for what is up to date, writes
artifacts, tracks and prints. The others wait for errands: which stage, and what it reads.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from recsys_cl.core.errors import RecsysError, Refused, Unavailable
from recsys_cl.core.files import digest_json
from recsys_cl.core.protocols import Job, Stage
from recsys_cl.core.runtime import Runtime
from recsys_cl.ops.ranks import Ranks

_END = "end"


def launched() -> bool:
    """Whether this is one of several processes of one command, by the variables that torchrun sets."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def leads() -> bool:
    """Whether this process is rank 0, or alone."""
    return not launched() or os.environ.get("RANK", "0") == "0"


@runtime_checkable
class Helped(Protocol):
    """A stage that several processes can run together."""

    ranks: Ranks

    def assist(self, job: Job) -> None:
        """Take part in what rank 0 does in ``run``, writing nothing."""
        ...


class Crew:
    """The processes of one command, and what they say to each other between steps.

    Args:
        ranks: which of how many this is.
        store: the key-value store by which they found each other.
    """

    def __init__(self, ranks: Ranks, store: Any) -> None:
        self.ranks = ranks
        self._store = store
        self._errands = 0

    def helped(self, stage: Stage) -> Stage:
        """``stage`` as rank 0 runs it: if it is one for several, the others are called to it first."""
        return Together(stage, self) if isinstance(stage, Helped) else stage

    def call(self, stage: Stage, job: Job) -> None:
        """Tell the others to assist."""
        reads = {name: str(path.resolve()) for name, path in job.reads.items()}
        errand = {"stage": stage.name, "settings": digest_json(stage.settings), "reads": reads, "fingerprint": job.fingerprint}
        self._say(json.dumps(errand))

    def dismiss(self) -> None:
        """Tell the others that there is nothing more to do."""
        self._say(_END)

    def assist(self, stages: Sequence[Stage]) -> None:
        """Do what rank 0 calls for, until it dismisses this process.

        Raises:
            RecsysError: a stage failed here; the message names the rank.
        """
        known = {stage.name: stage for stage in stages}
        for errand in self._heard():
            with tempfile.TemporaryDirectory() as scratch:
                reads = {name: Path(path) for name, path in errand["reads"].items()}
                try:
                    _assist(known, errand, Job(reads, Path(scratch), errand["fingerprint"]), self.ranks)
                except RecsysError as error:
                    raise type(error)(f"rank {self.ranks.rank}: {errand['stage']}: {error}") from error

    def _heard(self) -> Iterator[dict[str, Any]]:
        while True:
            key = f"errand {self._errands}"
            while not self._store.check([key]):
                time.sleep(0.05)  # between trainings rank 0 may ingest for hours; a signal must find this process awake
            self._errands += 1
            said = self._store.get(key).decode()
            if said == _END:
                return
            yield json.loads(said)

    def _say(self, content: str) -> None:
        self._store.set(f"errand {self._errands}", content)
        self._errands += 1


@contextmanager
def company(runtime: Runtime) -> Iterator[Crew | None]:
    """Meet the other processes of this command for a block; None where it is alone.

    Raises:
        Unavailable: the others did not come, or CUDA is asked for and there is none.
    """
    if not launched():
        yield None
        return
    import torch
    import torch.distributed as dist

    wait = timedelta(seconds=runtime.timeout)
    if torch.cuda.is_available() and runtime.device != "cpu":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl"
    else:
        backend = "gloo"
    try:
        store, rank, size = next(iter(dist.rendezvous("env://", timeout=wait)))  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=wait)
    except (RuntimeError, ValueError) as error:
        raise Unavailable(f"the processes of this command did not find each other: {error}") from error
    crew = Crew(Ranks(rank, size), dist.PrefixStore("recsys_cl", store))  # type: ignore[attr-defined]
    try:
        yield crew
    finally:
        if crew.ranks.leads:
            crew.dismiss()
        dist.destroy_process_group()


@dataclass(frozen=True, slots=True)
class Together:
    """A stage to which the other processes are called when it runs; in all else it is the stage."""

    stage: Stage
    crew: Crew

    @property
    def name(self) -> str:
        """The stage's."""
        return self.stage.name

    @property
    def version(self) -> int:
        """The stage's."""
        return self.stage.version

    @property
    def reads(self) -> tuple[str, ...]:
        """The stage's."""
        return self.stage.reads

    @property
    def writes(self) -> tuple[str, ...]:
        """The stage's."""
        return self.stage.writes

    @property
    def settings(self) -> Mapping[str, Any]:
        """The stage's: how many processes there are decides nothing."""
        return self.stage.settings

    def outside(self) -> Mapping[str, str]:
        """The stage's."""
        return self.stage.outside()

    def run(self, job: Job) -> Mapping[str, float]:
        """Run the stage in all processes."""
        self.crew.call(self.stage, job)
        counts: Mapping[str, float] = _in(self.stage, self.crew.ranks).run(job)
        return counts


def _assist(known: Mapping[str, Stage], errand: Mapping[str, Any], job: Job, ranks: Ranks) -> None:
    stage = known.get(errand["stage"])
    if stage is None or not isinstance(stage, Helped) or digest_json(stage.settings) != errand["settings"]:
        raise Refused("rank 0 was started with another pipeline; all processes need the same file and settings")
    missing = [str(path) for path in job.reads.values() if not path.exists()]
    if missing:
        raise Unavailable(f"{missing[0]} is not there; all machines need the same --data-dir, on a file system they share")
    _in(stage, ranks).assist(job)


def _in(stage: Any, ranks: Ranks) -> Any:
    return replace(stage, ranks=ranks)
