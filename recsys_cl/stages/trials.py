"""Trials in the tracking store: one parent run for a search, a child for each trial; opened when there is something to tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

from recsys_cl.core.protocols import Tracker
from recsys_cl.stages.tracking import Tracking

PARENT = "mlflow.parentRunId"


class TrialRuns:
    """The runs of one search; how the block ends is how the parent ends.

    Args:
        tracking: the pipeline's store.
        fingerprint: of the search; the same search goes on in the same parent.
    """

    def __init__(self, tracking: Tracking, fingerprint: str) -> None:
        self._tracking, self._fingerprint = tracking, fingerprint
        self._stack = ExitStack()
        self._parent = ""

    def __enter__(self) -> TrialRuns:
        """Nothing is opened yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the parent, if it was opened."""
        self._stack.__exit__(kind, error, trace)

    @contextmanager
    def trial(self, fingerprint: str, name: str) -> Iterator[Tracker]:
        """The run of one trial."""
        experiment: Any = self._tracking.experiment
        if not self._parent:
            self._stack.enter_context(experiment.training(self._fingerprint, "tune", self._tracking.tags))
            self._parent = experiment.find(self._fingerprint).info.run_id
        with experiment.training(fingerprint, name, {**self._tracking.tags, PARENT: self._parent}) as tracker:
            yield tracker
