"""A run's story as JSON lines: what training writes where there is no MLflow, and what is replayed into it later."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recsys_cl.core.errors import Diverged, Refused
from recsys_cl.core.files import atomic_write, storage_fault
from recsys_cl.core.protocols import Tracker


class JsonLines:
    """A tracker that appends one line a record: ``{"note": {...}}`` or ``{"step": 3, "metrics": {...}}``.

    Each line is on disk when the call returns. Opened on the file of an interrupted run it continues it: the first number
    logged at step n replaces what was recorded of step n and after, so that the story reads as if never interrupted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._earlier = list(_records(path)) if path.exists() else []
        self._rewrite()

    def note(self, values: Mapping[str, str]) -> None:
        """Record facts about the run; repeated after an interruption they are recorded once."""
        record = {"note": dict(values)}
        if record not in self._earlier:
            self._earlier.append(record)
            self._append(record)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record numbers at a step.

        Raises:
            Diverged: a number is not finite; nothing is recorded.
        """
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise Diverged(f"step {step}: metric '{name}' is not finite")
        if any(record.get("step", -1) >= step for record in self._earlier):
            self._earlier = [record for record in self._earlier if record.get("step", -1) < step]
            self._rewrite()
        self._earlier = []  # what was logged in this sitting is never replaced
        self._append({"step": step, "metrics": dict(metrics)})

    def _rewrite(self) -> None:
        with atomic_write(self._path, "w") as stream:
            stream.writelines(_line(record) for record in self._earlier)

    def _append(self, record: dict[str, Any]) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(_line(record))
        except OSError as error:
            raise storage_fault(self._path, error) from error


def replay(path: Path, tracker: Tracker) -> None:
    """Tell ``tracker`` the story recorded in ``path``, in order.

    Raises:
        Refused: a line is not a record; the message names file and line.
    """
    for record in _records(path):
        if "note" in record:
            tracker.note(record["note"])
        else:
            tracker.log(record["metrics"], step=record["step"])


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file; a last line without its end was being written when the process died, and is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise Refused(f"{path}:{number}: not a record of a run: {error}") from error
        if not isinstance(record, dict) or not ("note" in record or {"step", "metrics"} <= record.keys()):
            raise Refused(f"{path}:{number}: not a record of a run")
        yield record
