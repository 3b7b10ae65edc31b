"""Stages in order, each made once: what has a receipt for the same fingerprint is skipped, as long as it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

from recsys_cl.core.errors import RecsysError, Refused, nearest
from recsys_cl.core.protocols import ActsOutside, Stage
from recsys_cl.core.stopping import heed
from recsys_cl.stages.store import Artifact, Receipt, Store, verify

Status = Literal["running", "done", "skipped"]


@dataclass(frozen=True, slots=True)
class Done:
    """One stage's part in a run."""

    stage: Stage
    status: Status
    seconds: float
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run leaves: every stage's part, and every artifact by name."""

    done: tuple[Done, ...]
    artifacts: dict[str, Artifact] = field(default_factory=dict)


def run_stages(
    stages: Sequence[Stage],
    store: Store,
    watch: Callable[[str, Status, float], None],
    until: str | None = None,
    force: str | None = None,
    made: Mapping[str, float] | None = None,
) -> Outcome:
    """Make every stage that has no result for its present inputs and settings.

    Args:
        stages: in an order in which each finds what it reads.
        store: where results lie.
        watch: told of each stage's name, status and seconds.
        until: the last stage to run (``"evaluate"`` stands for all ``evaluate/...``).
        force: a stage to run again although its result is there.
        made: seconds of stages that were made for this run already, by other processes: they are ``done``, not ``skipped``.
    """
    for name in (until, force):
        require(stages, name)
    artifacts: dict[str, Artifact] = {}
    done: list[Done] = []
    for stage in up_to(stages, until):
        heed()
        forced = force is not None and _is(stage, force)
        step = _one(stage, store, artifacts, watch, forced=forced, before=(made or {}).get(stage.name))
        artifacts |= {name: step.receipt.artifact(name) for name in stage.writes}
        done.append(step)
    return Outcome(tuple(done), artifacts)


def needed_for(stages: Sequence[Stage], name: str) -> list[Stage]:
    """The stage called ``name`` and all that it stands on, in their order; its neighbours are left out."""
    wanted: set[str] = set()
    chain: list[Stage] = []
    for stage in reversed(stages):
        if stage.name == name or wanted.intersection(stage.writes):
            wanted.update(stage.reads)
            chain.insert(0, stage)
    return chain


def _one(
    stage: Stage,
    store: Store,
    artifacts: dict[str, Artifact],
    watch: Callable[[str, Status, float], None],
    *,
    forced: bool,
    before: float | None,
) -> Done:
    began = perf_counter()
    reads = {name: artifacts[name] for name in stage.reads}
    outside = stage.outside()
    fingerprint = store.fingerprint(stage, reads, outside)
    with store.exclusive(stage, fingerprint):
        receipt = store.find(stage, fingerprint)
        status: Status = "skipped"
        if receipt is None or forced or not stands(stage, receipt):
            watch(stage.name, "running", 0.0)
            try:
                receipt, status = store.make(stage, fingerprint, reads, outside), "done"
            except RecsysError as error:
                told = str(error)
                raise type(error)(told if told.startswith(f"{stage.name}: ") else f"{stage.name}: {told}") from error
        else:
            store.sweep(stage, fingerprint)
    seconds = perf_counter() - began
    if before is not None and status == "skipped":
        status, seconds = "done", before
    watch(stage.name, status, seconds)
    return Done(stage, status, seconds, receipt)


def stands(stage: Stage, receipt: Receipt) -> bool:
    """Whether a result may be taken for the present: always, unless the stage acts where others act, too, and says no.

    Raises:
        Refused: what such a stage wrote is damaged.
    """
    if not isinstance(stage, ActsOutside):
        return True
    for name in stage.writes:
        verify(name, receipt.artifact(name))
    return stage.stands({name: receipt.artifact(name).path for name in stage.writes})


def require(stages: Sequence[Stage], name: str | None) -> None:
    """Refuse a ``name`` that no stage has, nor a group of them."""
    if name is not None and not any(_is(stage, name) for stage in stages):
        raise Refused(f"no stage '{name}'; {nearest(name, {s.name for s in stages} | {s.name.split('/')[0] for s in stages})}")


def up_to(stages: Sequence[Stage], until: str | None) -> Sequence[Stage]:
    """The stages before and with the last that ``until`` names; all of them without it, or where it names none."""
    if until is None:
        return stages
    last = max((number for number, stage in enumerate(stages) if _is(stage, until)), default=len(stages))
    return stages[: last + 1]


def _is(stage: Stage, name: str) -> bool:
    return stage.name == name or stage.name.startswith(f"{name}/")
