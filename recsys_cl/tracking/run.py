"""A run is a `Tracker`: facts become parameters, numbers become metrics, and telling it twice changes nothing."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from recsys_cl.core.errors import Diverged, Unavailable
from recsys_cl.core.files import digest_json
from recsys_cl.tracking.names import to_mlflow
from recsys_cl.tracking.store import Store

T = TypeVar("T")

_LONGEST = 500
"""Characters of a parameter; MLflow cuts longer ones without a word, we move them to a file and log their digest."""

MESSAGE = "recsys_cl.message"


class MlflowTracker:
    """Writes one run, by its id. What the run holds already, from a part of it told before, is not written again."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self.run_id = store, run_id
        with store.explained():
            data = store.client.get_run(run_id).data
            self._params: dict[str, str] = dict(data.params)
            histories = (store.client.get_metric_history(run_id, key) for key in data.metrics)
            self._logged = {(m.key, m.step): m.value for history in histories for m in history}

    def note(self, values: Mapping[str, str]) -> None:
        """Log as parameters. A value the run has otherwise (it was begun elsewhere) becomes the tag ``resumed.<name>``."""
        from mlflow.entities import Param, RunTag

        named = {to_mlflow(name): value for name, value in values.items()}
        short = {name: self._short(name, value) for name, value in named.items()}
        fresh = [Param(name, value) for name, value in short.items() if name not in self._params]
        other = [RunTag(f"resumed.{name}", v) for name, v in short.items() if self._params.get(name, v) != v]
        with self.store.explained():
            for some in _chunks(fresh, 100):
                self.store.client.log_batch(self.run_id, params=some)
            self.store.client.log_batch(self.run_id, tags=other)
        self._params.update({p.key: p.value for p in fresh})

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log all metrics of a step at once.

        Raises:
            Diverged: a value is not finite; MLflow would store another number in its place.
        """
        from mlflow.entities import Metric

        for name, value in metrics.items():
            if not math.isfinite(value):
                raise Diverged(f"metric {name} at step {step} is {value}")
        now = time.time_ns() // 1_000_000
        named = {to_mlflow(name): float(value) for name, value in metrics.items()}
        fresh = [Metric(name, value, now, step) for name, value in named.items() if self._logged.get((name, step)) != value]
        with self.store.explained():
            for some in _chunks(fresh, 1000):
                self.store.client.log_batch(self.run_id, metrics=some)
        self._logged.update({(m.key, m.step): m.value for m in fresh})

    def attach(self, path: Path, folder: str | None = None) -> None:
        """Keep a file, or all that lies in a folder, among the run's artifacts."""
        with self.store.explained():
            log = self.store.client.log_artifacts if path.is_dir() else self.store.client.log_artifact
            log(self.run_id, str(path), folder)

    def reads(self, datasets: Iterable[Mapping[str, Any]]) -> None:
        """Log what the run reads: ``name``, ``digest`` (ours, of the whole content), ``context`` and ``source``."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(d["name"], d["digest"][:32], "local", json.dumps({"uri": d["source"]})),
                [InputTag("mlflow.data.context", d["context"])],
            )
            for d in datasets
        ]
        with self.store.explained():
            self.store.client.log_inputs(self.run_id, datasets=inputs)

    def finish(self, status: str = "FINISHED", message: str = "") -> None:
        """Close the run as FINISHED, FAILED or KILLED; ``message`` says why."""
        with self.store.explained():
            if message:
                self.store.client.set_tag(self.run_id, MESSAGE, message[:_LONGEST])
            self.store.client.set_terminated(self.run_id, status)

    def _short(self, name: str, value: str) -> str:
        if len(value) <= _LONGEST:
            return value
        file = f"notes/{name.replace('/', '-')}.json"
        with self.store.explained():
            self.store.client.log_dict(self.run_id, {name: value}, file)
        return f"sha256:{digest_json(value)} ({file})"


class Lenient:
    """A tracker that outlives its store: after the first failure it falls silent, so that no training is lost to it.

    What it did not tell stands in the run's JSON lines and is replayed when the model is registered.
    """

    def __init__(self, tracker: MlflowTracker) -> None:
        self.tracker = tracker
        self.failure: Unavailable | None = None

    def note(self, values: Mapping[str, str]) -> None:
        """Note, if the store still answers."""
        self._attempt(lambda: self.tracker.note(values))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log, if the store still answers."""
        self._attempt(lambda: self.tracker.log(metrics, step))

    def _attempt(self, act: Any) -> None:
        if self.failure:
            return
        try:
            act()
        except Unavailable as failure:
            self.failure = failure
            logging.getLogger(__name__).warning("%s; the run goes on and is told to the store when it is registered", failure)


def _chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(values)
    while some := list(islice(rest, size)):
        yield some
