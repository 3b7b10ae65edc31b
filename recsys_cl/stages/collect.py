"""Old results are taken away, so that a pipeline can run every night for years: what it would find today always stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_cl.core.files import storage_fault, sync_folder
from recsys_cl.stages.store import RECEIPT, Artifact, Store, read_receipt
from recsys_cl.stages.turn import turn

if TYPE_CHECKING:
    from recsys_cl.core.protocols import Stage


@dataclass(frozen=True, slots=True)
class Collected:
    """What was taken away: folders, named STAGE/FINGERPRINT, and their size."""

    results: tuple[str, ...]
    bytes: int

    def as_json(self) -> dict[str, Any]:
        """Both by name."""
        return {"results": list(self.results), "bytes": self.bytes}


def collect(stages: Sequence[Stage], store: Store, keep: int) -> Collected:
    """Keep of each stage the newest ``keep`` results, and whatever the pipeline as it is now would find up to date.

    Each result goes in one rename before it is deleted, so nobody ever meets half of one. What is gone is made again when
    settings or logs go back to it. Runs, registered models, and records of openings are not touched.

    Args:
        stages: of the pipeline, as it is now.
        store: where its results lie.
        keep: at least 1.

    Raises:
        Busy: a run that was asked for once goes on.
        Refused: a receipt is damaged; nothing was taken away.
        Unavailable: the folder cannot be written.
    """
    with turn(store.root):
        needed = set(_present(stages, store))
        gone = [old for stage in sorted(store.root.glob("[!.]*")) for old in _by_age(stage)[keep:] if old not in needed]
        size = sum(path.stat().st_size for old in gone for path in old.rglob("*") if path.is_file())
        for old in gone:
            _remove(old, store.root / ".scratch" / f"old-{old.parent.name}-{old.name}")
    return Collected(tuple(f"{old.parent.name}/{old.name}" for old in gone), size)


def _present(stages: Sequence[Stage], store: Store) -> Iterator[Path]:
    """The results that a run now would skip to."""
    artifacts: dict[str, Artifact] = {}
    for stage in stages:
        if not artifacts.keys() >= set(stage.reads):
            continue
        reads = {name: artifacts[name] for name in stage.reads}
        receipt = store.find(stage, store.fingerprint(stage, reads, stage.outside()))
        if receipt is not None:
            artifacts |= {name: receipt.artifact(name) for name in stage.writes}
            yield receipt.folder


def _by_age(stage: Path) -> list[Path]:
    """The results in a stage's folder, the newest first."""
    found = [(read_receipt(path).facts["committed"], path.stat().st_mtime_ns, path.parent) for path in _receipts(stage)]
    return [folder for *_, folder in sorted(found, reverse=True)]


def _receipts(stage: Path) -> Iterator[Path]:
    return stage.glob(f"*/{RECEIPT}")


def _remove(old: Path, aside: Path) -> None:
    try:
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)  # of one that was killed here
        old.rename(aside)
        sync_folder(old.parent)
        shutil.rmtree(aside)
    except OSError as error:
        raise storage_fault(old, error) from error
