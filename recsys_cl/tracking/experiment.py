"""One experiment, one run for each trained recipe: found again by its fingerprint, in whatever state it was left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from recsys_cl.core.errors import RecsysError, Refused, nearest
from recsys_cl.core.protocols import Tracker
from recsys_cl.tracking.heartbeat import HEARTBEAT, beating, now, silent
from recsys_cl.tracking.process import elsewhere, gone, here
from recsys_cl.tracking.run import MESSAGE, Lenient, MlflowTracker
from recsys_cl.tracking.store import Store
from recsys_cl.tracking.system import watched

FINGERPRINT = "recsys_cl.fingerprint"
PROCESS = "recsys_cl.process"


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """The runs of one pipeline."""

    store: Store
    name: str
    id: str

    @contextmanager
    def training(self, fingerprint: str, name: str, tags: Mapping[str, str] | None = None) -> Iterator[Tracker]:
        """The run of a training that goes on within this block; how the block ends is how the run ends.

        An unfinished run of a process that is gone is continued. Should the store fail on the way, training goes on.

        Args:
            fingerprint: of the stage; equal fingerprints are the same training.
            name: what to call the run, e.g. the recipe.
            tags: more to know it by (data digest, code version, seed).
        """
        tracker = MlflowTracker(self.store, self._open(fingerprint, name, tags or {}))
        lenient = Lenient(tracker)
        try:
            with watched(lenient), beating(self.store, tracker.run_id):
                yield lenient
        except BaseException as error:
            expected = isinstance(error, Exception)
            message = str(error) if isinstance(error, RecsysError) else f"{type(error).__name__}: {error}"
            _close(tracker, "FAILED" if expected else "KILLED", message)
            raise
        _close(tracker, "FAILED" if lenient.failure else "FINISHED", str(lenient.failure or ""))

    def ensure(
        self, fingerprint: str, name: str, replay: Callable[[Tracker], None], tags: Mapping[str, str] | None = None
    ) -> MlflowTracker:
        """The finished run of ``fingerprint``; told again by ``replay`` where this store lacks it or has a part of it."""
        found = self.find(fingerprint)
        if found is not None and found.info.status == "FINISHED":
            return MlflowTracker(self.store, found.info.run_id)
        tracker = MlflowTracker(self.store, self._open(fingerprint, name, tags or {}))
        replay(tracker)
        tracker.finish()
        return tracker

    def find(self, fingerprint: str) -> Any | None:
        """The run of ``fingerprint``: a finished one, or else one that nobody is writing any more; None: there is none."""
        with self.store.explained():
            runs = self.store.client.search_runs(
                [self.id], f"tags.`{FINGERPRINT}` = '{fingerprint}'", order_by=["attributes.start_time ASC"]
            )
        finished = [run for run in runs if run.info.status == "FINISHED"]
        return next(iter(finished or [run for run in runs if _is_free(run)]), None)

    def close_abandoned(self, silent_minutes: float | None = None) -> list[str]:
        """Mark as KILLED every run of this experiment whose process is gone, or has been silent for so long; their ids."""
        with self.store.explained():
            running = self.store.client.search_runs([self.id], "attributes.status = 'RUNNING'")
        closed = []
        for run in running:
            why = _abandoned(run.data.tags, silent_minutes)
            if why:
                MlflowTracker(self.store, run.info.run_id).finish("KILLED", why)
                closed.append(run.info.run_id)
        return closed

    def _open(self, fingerprint: str, name: str, tags: Mapping[str, str]) -> str:
        with self.store.locked():
            found = self.find(fingerprint)
            with self.store.explained():
                client = self.store.client
                if found is None:
                    marks = {**tags, FINGERPRINT: fingerprint, PROCESS: here(), HEARTBEAT: now()}
                    return str(client.create_run(self.id, tags=marks, run_name=name).info.run_id)
                if found.info.status != "FINISHED":
                    client.set_tag(found.info.run_id, PROCESS, here())
                    client.set_tag(found.info.run_id, MESSAGE, "")
                    client.update_run(found.info.run_id, status="RUNNING")
                return str(found.info.run_id)


def open_experiment(store: Store, name: str) -> Experiment:
    """The experiment called ``name``; runs that killed processes left open are closed on the way."""
    experiment = Experiment(store, name, store.experiment_id(name))
    experiment.close_abandoned()
    return experiment


def reap(store: Store, name: str | None = None, silent_minutes: float | None = None) -> list[str]:
    """Close what killed processes left RUNNING in the experiment called ``name``, or in every one; the runs' ids.

    With ``silent_minutes`` also those of other hosts whose last heartbeat is older.

    Raises:
        Refused: there is no such experiment; none is made by looking.
    """
    with store.explained():
        known = {each.name: each.experiment_id for each in store.client.search_experiments(max_results=1000)}
    if name is not None and name not in known:
        raise Refused(f"no experiment '{name}' in {store.name}; {nearest(name, known)}")
    meant = known if name is None else {name: known[name]}
    return [run for each, number in meant.items() for run in Experiment(store, each, number).close_abandoned(silent_minutes)]


def _abandoned(tags: Mapping[str, str], silent_minutes: float | None) -> str:
    """Why nobody writes the run any more; empty: somebody may."""
    writer, last = tags.get(PROCESS, ""), tags.get(HEARTBEAT)
    if gone(writer):
        return "the process that wrote this run is gone"
    if silent_minutes is not None and elsewhere(writer) and silent(last, silent_minutes):
        return f"no heartbeat since {last}"
    return ""


def _is_free(run: Any) -> bool:
    return run.info.status != "RUNNING" or run.data.tags.get(PROCESS, "") == here() or gone(run.data.tags.get(PROCESS, ""))


def _close(tracker: MlflowTracker, status: str, message: str) -> None:
    try:
        tracker.finish(status, message)
    except RecsysError:
        return  # the store is down: the run is found unfinished later and told again
