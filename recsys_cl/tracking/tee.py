"""One story told to several trackers."""

from __future__ import annotations

from collections.abc import Mapping

from recsys_cl.core.protocols import Tracker


class Tee:
    """A tracker that passes everything on, in order: the file first, the network last."""

    def __init__(self, *trackers: Tracker) -> None:
        self.trackers = trackers

    def note(self, values: Mapping[str, str]) -> None:
        """Note in every tracker."""
        for tracker in self.trackers:
            tracker.note(values)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log in every tracker."""
        for tracker in self.trackers:
            tracker.log(metrics, step)
