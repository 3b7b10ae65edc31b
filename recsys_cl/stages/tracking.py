"""The tracking store as stages see it: opened on first use, so that what is up to date never waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_cl.core.protocols import Tracker

if TYPE_CHECKING:
    from recsys_cl.tracking.experiment import Experiment


@dataclass
class Tracking:
    """One pipeline's runs; ``root`` holds ``mlruns/`` unless an address is given."""

    pipeline: str
    root: Path
    uri: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def experiment(self) -> Experiment:
        """The pipeline's MLflow experiment; opens (and, the first time, makes) the store."""
        from recsys_cl.tracking.experiment import open_experiment
        from recsys_cl.tracking.store import open_store

        return open_experiment(open_store(self.root, self.uri), self.pipeline)

    @property
    def address(self) -> str:
        """The store's address, fit to be shown; asking for it opens nothing."""
        from recsys_cl.core.mlflow import address, without_credentials

        return without_credentials(address(self.root, self.uri))

    @contextmanager
    def training(self, fingerprint: str, name: str) -> Iterator[Tracker]:
        """The run of one training."""
        with self.experiment.training(fingerprint, name, self.tags) as tracker:
            yield tracker
