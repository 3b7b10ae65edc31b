"""Committed artifacts, found by the fingerprint of what made them; a folder and its receipt appear in one rename."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import commit_folder, digest_file, digest_json, storage_fault
from recsys_cl.core.protocols import Job, Stage
from recsys_cl.core.sealed import SEAL, committed_text, unsealed, write_sealed
from recsys_cl.core.version import VERSION

RECEIPT = "receipt.json"
COST = "cost.json"
"""What making a folder took: kept in it and no part of its digest, so that what is made again in other seconds is the same."""

_NEEDED = {"stage", "code", "stage_version", "fingerprint", "reads", "outside", "writes", "counts", "committed"}
_AGAIN = "remove {} to make it again"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One committed artifact: where it lies, the digest of its content and, of a folder, of each file."""

    path: Path
    digest: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a stage did: enough to know whether it must run again, and to check what it left."""

    folder: Path
    facts: Mapping[str, Any]

    def artifact(self, name: str) -> Artifact:
        """One of the stage's results."""
        written = self.facts["writes"][name]
        return Artifact(self.folder / written["path"], written["digest"], written.get("files", {}))


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of one pipeline's artifacts: ``root/STAGE/FINGERPRINT/``. Old fingerprints stay, so going back costs nothing."""

    root: Path

    def fingerprint(self, stage: Stage, reads: Mapping[str, Artifact], outside: Mapping[str, str]) -> str:
        """What decides a stage's result: its version and settings, and the digests of all it reads."""
        return digest_json(
            {
                "stage": stage.name,
                "version": stage.version,
                "settings": stage.settings,
                "reads": {name: artifact.digest for name, artifact in reads.items()},
                "outside": dict(outside),
                "package": VERSION,
            }
        )

    def find(self, stage: Stage, fingerprint: str) -> Receipt | None:
        """The committed result with this fingerprint, if there is one."""
        receipt = self._folder(stage, fingerprint) / RECEIPT
        return read_receipt(receipt) if receipt.is_file() else None

    def newest(self, stage: Stage) -> Receipt | None:
        """The result that was committed last, whatever it was made from."""
        found = [read_receipt(path) for path in self._folder(stage, "*").parent.glob(f"*/{RECEIPT}")]
        return max(found, key=lambda receipt: (receipt.facts["committed"], receipt.folder.stat().st_mtime_ns), default=None)

    def make(self, stage: Stage, fingerprint: str, reads: Mapping[str, Artifact], outside: Mapping[str, str]) -> Receipt:
        """Run the stage and commit what it wrote. A failed or killed run leaves its scratch, where the next one goes on."""
        for name, artifact in reads.items():
            verify(name, artifact)
        scratch = self._scratch(stage, fingerprint)
        final = self._folder(stage, fingerprint)
        job = Job({name: artifact.path for name, artifact in reads.items()}, scratch, fingerprint, outside)
        began = datetime.now(UTC)
        try:
            shutil.rmtree(scratch / "out", ignore_errors=True)
            (scratch / "out").mkdir(parents=True)
            counts = dict(stage.run(job))
            ended = datetime.now(UTC)
            receipt = {
                "stage": stage.name,
                "stage_version": stage.version,
                "fingerprint": fingerprint,
                "settings_digest": digest_json(stage.settings),
                "settings": key_digests(json.loads(json.dumps(stage.settings))),
                "reads": {name: artifact.digest for name, artifact in reads.items()},
                "outside": dict(outside),
                "writes": {name: _describe(job.out(name)) for name in stage.writes},
                "counts": counts,
                "code": VERSION,
                "committed": ended.isoformat(timespec="seconds"),
                "seconds": round((ended - began).total_seconds(), 3),
            }
            write_sealed(scratch / "out" / RECEIPT, receipt)
            commit_folder(scratch / "out", final, instead=True)  # something is there when the stage was forced to run again
            shutil.rmtree(scratch)
        except OSError as error:
            raise storage_fault(scratch, error) from error
        return Receipt(final, receipt)

    def sweep(self, stage: Stage, fingerprint: str) -> None:
        """Remove the scratch that a death between commit and clean-up left behind."""
        shutil.rmtree(self._scratch(stage, fingerprint), ignore_errors=True)

    @contextmanager
    def exclusive(self, stage: Stage, fingerprint: str) -> Iterator[None]:
        """Only one process at a time makes this result; the others wait and then find it. Freed by the kernel on any death."""
        folder = self.root / ".locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder / f"{_slug(stage.name)}-{fingerprint[:16]}", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise storage_fault(folder, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _scratch(self, stage: Stage, fingerprint: str) -> Path:
        return self.root / ".scratch" / f"{_slug(stage.name)}-{fingerprint[:16]}"

    def _folder(self, stage: Stage, fingerprint: str) -> Path:
        return self.root / _slug(stage.name) / fingerprint[:16]


def read_receipt(path: Path) -> Receipt:
    """A committed receipt; one of before receipts had seals is believed where it says what a receipt must.

    Raises:
        Refused: it is not what was committed.
        Unavailable: it cannot be read now.
    """
    try:
        text = committed_text(path)
        facts = json.loads(text)
        if not isinstance(facts, dict) or SEAL in facts or not facts.keys() >= _NEEDED:
            facts = unsealed(text, path)
    except ValueError as error:
        raise Refused(f"{path}: damaged: {error}; {_AGAIN.format(path.parent)}") from error
    except Refused as error:
        raise Refused(f"{error}; {_AGAIN.format(path.parent)}") from error
    return Receipt(path.parent, facts)


def key_digests(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A short digest of every value by its dotted key: enough to name what changed, and no secret is kept."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        inner = dict(enumerate(value)) if isinstance(value, list) and any(isinstance(one, dict) for one in value) else value
        if isinstance(inner, dict) and inner:
            found |= key_digests({str(name): one for name, one in inner.items()}, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = digest_json(value)[:12]
    return found


def verify(name: str, artifact: Artifact) -> None:
    """Refuse an artifact whose bytes are not the ones that were committed; of a folder, name the file."""
    found: dict[str, Any] = _describe(artifact.path) if artifact.path.exists() else {}
    if found.get("digest") == artifact.digest:
        return
    before, now = artifact.files, found.get("files", {})
    which = next((each for each in sorted(before | now) if before.get(each) != now.get(each)), "") if before and now else ""
    raise Refused(
        f"artifact '{name}' is damaged: {artifact.path / which} is not what was committed; "
        f"{_AGAIN.format(artifact.path.parent)}"
    )


def _describe(path: Path) -> dict[str, Any]:
    if path.is_file():
        return {"path": path.name, "digest": digest_file(path)}
    if not path.is_dir():
        raise FileNotFoundError(2, "the stage did not write it", str(path))
    files = {str(p.relative_to(path)): digest_file(p) for p in sorted(path.rglob("*")) if p.is_file() and p.name != COST}
    return {"path": path.name, "digest": digest_json(files), "files": files}


def _slug(name: str) -> str:
    return name.replace("/", "-")
