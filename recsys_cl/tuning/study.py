"""The trials of one search, in an SQLite file that survives any death: trial n is the same whatever interrupted it.

The only place that knows Optuna. Its sampler starts afresh for each trial from a seed of its own, so what is suggested
depends on the finished trials alone. A trial whose process died goes on as it is, under its own number, by which Optuna's
Hyperband tells its brackets apart; one that died while its values were drawn is closed, and they are drawn again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from recsys_cl.core.chance import derive
from recsys_cl.core.errors import Unavailable
from recsys_cl.tuning.finished import Finished, State
from recsys_cl.tuning.settings import Pruner
from recsys_cl.tuning.trial import Range, Value

_FAILED = "failed"
_RANDOM = 5  # trials before the sampler, and the pruner, trust what they have seen


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One trial under way."""

    number: int  # finished trials before it
    values: Mapping[str, Value]
    handle: Any  # Optuna's
    told: frozenset[int] = frozenset()  # epochs that were reported of it before its process died


class Study:
    """Trials over a space, larger is better.

    Args:
        file: the SQLite file, made on first use; many studies can share it.
        name: of the study; one that is there is continued.
        ranges: what may vary; nothing: every trial is the same.
        own: values of the first trial; None: it is drawn like the others.
        seed: of the search.
        pruner: when to give a trial up.
        epochs: of a trial that is not given up.

    Raises:
        Unavailable: Optuna is not installed, or the file cannot be read or written.
    """

    def __init__(
        self,
        file: Path,
        name: str,
        ranges: Mapping[str, Range],
        own: Mapping[str, Value] | None,
        seed: int,
        pruner: Pruner,
        epochs: int,
    ) -> None:
        need_optuna()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._file, self._ranges, self._own, self._seed = file, dict(ranges), own, seed
        with self._explained():
            file.parent.mkdir(parents=True, exist_ok=True)
            self._storage = optuna.storages.RDBStorage(f"sqlite:///{file.resolve()}")
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=name,
                direction="maximize",
                load_if_exists=True,
                pruner=_pruner(pruner, epochs),
            )

    def __enter__(self) -> Study:
        """Open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the file."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def finished(self) -> list[Finished]:
        """What counts, in order; trials whose process died do not."""
        with self._explained():
            trials = self._study.get_trials(deepcopy=False)
        return [_finished(number, trial) for number, trial in enumerate(filter(_counts, trials))]

    def ask(self) -> Trial:
        """The next trial, its values drawn."""
        import optuna

        with self._explained():
            number = len(self.finished())
            for stale in self._study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
                if self._ranges.keys() == stale.params.keys():
                    handle = optuna.trial.Trial(self._study, stale._trial_id)  # noqa: SLF001 - it is known by nothing else
                    return Trial(number, self._drawn(handle), handle, frozenset(stale.intermediate_values))
                self._study.tell(stale.number, state=optuna.trial.TrialState.FAIL)
            waiting = self._study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.WAITING])
            if number == 0 and self._own is not None and not waiting:
                self._study.enqueue_trial(dict(self._own))
            seed = derive(self._seed, "tune", str(number)) % 2**32
            self._study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM)
            handle = self._study.ask()
            return Trial(number, self._drawn(handle), handle)

    def _drawn(self, handle: Any) -> dict[str, Value]:
        return {name: each(handle, name) for name, each in self._ranges.items()}

    def tell(self, trial: Trial, state: State, value: float | None, facts: Mapping[str, Any]) -> None:
        """End a trial; ``facts`` are JSON-able and kept with it."""
        from optuna.trial import TrialState

        end = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}[state]
        with self._explained():
            trial.handle.set_user_attr("facts", dict(facts))
            trial.handle.set_user_attr(_FAILED, state == "failed")
            self._study.tell(trial.handle, value, state=end)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from optuna.exceptions import OptunaError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (OptunaError, SQLAlchemyError, OSError) as error:
            raise Unavailable(f"trials in {self._file}: {(str(error).splitlines() or [type(error).__name__])[0]}") from error


def need_optuna() -> None:
    """Say how to install what tuning needs."""
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise Unavailable("optuna is not installed; pip install 'recsys-cl[tune]'") from error


def _counts(trial: Any) -> bool:
    """Whether it ended by itself: one whose process died is closed as failed, but was never told so."""
    return trial.state.name in ("COMPLETE", "PRUNED") or (trial.state.name == "FAIL" and trial.user_attrs.get(_FAILED, False))


def _finished(number: int, trial: Any) -> Finished:
    states: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    state = states[trial.state.name]
    value = trial.value if state == "complete" else None
    return Finished(number, state, value, dict(trial.params), trial.user_attrs["facts"])


def _pruner(pruner: Pruner, epochs: int) -> Any:
    from optuna import pruners

    made = {
        "median": lambda: pruners.MedianPruner(n_startup_trials=_RANDOM, n_warmup_steps=epochs // 10),
        "hyperband": lambda: pruners.HyperbandPruner(min_resource=1, max_resource=max(epochs, 1)),
        "none": pruners.NopPruner,
    }
    return made[pruner]()
