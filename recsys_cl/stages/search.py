"""One trial at a time: settings are asked for, fitted as the train stage fits, and what came of it is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_cl.config import Recipe, alter
from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_json
from recsys_cl.core.values import Interactions, ItemFeatures
from recsys_cl.evaluation.candidates import Candidates
from recsys_cl.stages.fitting import Fitted, Fitting
from recsys_cl.tracking.jsonl import JsonLines, replay
from recsys_cl.tracking.tee import Tee
from recsys_cl.tuning.finished import best
from recsys_cl.tuning.pruning import Pruned, Pruning
from recsys_cl.tuning.space import change
from recsys_cl.tuning.study import Study, Trial

if TYPE_CHECKING:
    from recsys_cl.stages.tune import TuneStage


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """A stage's search under way; ``working`` keeps the checkpoints of the trial at work."""

    stage: TuneStage
    study: Study
    train: Interactions
    valid: Interactions
    working: Path
    features: ItemFeatures | None = None
    candidates: Candidates | None = None

    def finish_one(self) -> None:
        """Ask for a trial, see it through, tell how it ended."""
        stage, trial = self.stage, self.study.ask()
        folder = self.working / f"{trial.number:04}-{digest_json(dict(trial.values))[:8]}"
        folder.mkdir(parents=True, exist_ok=True)
        label = f"{stage.experiment} trial {trial.number + 1}/{stage.trials}"
        try:
            fitted = self._fit(trial, folder, label)
        except Pruned as end:
            self.study.tell(trial, "pruned", None, {"epochs_run": end.epoch})
            news = str(end)
        except Refused as error:  # these settings do not go together, or training diverged; others may do
            self.study.tell(trial, "failed", None, {"reason": str(error)})
            news = f"failed: {error}"
        else:
            scores = dict(fitted.best.scores)
            facts = {"epochs": fitted.best.epoch, "epochs_run": fitted.epochs_run, "seconds": round(fitted.seconds, 3)}
            self.study.tell(trial, "complete", scores[stage.tune.metric], {**facts, "valid": scores})
            news = f"{stage.tune.metric} {scores[stage.tune.metric]:.4f}"
        leader = best(self.study.finished())
        stage.tell(f"{label}: {news}" + (f" (best {leader.value:.4f})" if leader else ""))
        shutil.rmtree(folder)

    def sweep(self) -> None:
        """Remove what a death between a trial's end and its clean-up left behind."""
        for folder in self.working.glob("*/"):
            shutil.rmtree(folder)

    def _fit(self, trial: Trial, folder: Path, label: str) -> Fitted:
        """Train with the trial's settings, going on where a killed process stopped.

        Raises:
            Pruned: the trial is given up.
            Refused: its settings do not go together, or training diverged.
        """
        stage = self.stage
        recipe = alter(stage.recipe, change(stage.recipe.settings(), trial.values), stage.name)
        pruning = Pruning(trial.handle, stage.tune.metric, recipe.training.epochs, trial.told)
        history = folder / "history.jsonl"
        if history.exists():
            replay(history, pruning)
        fingerprint = digest_json([self.working.name, folder.name])
        opened = stage.tracking(fingerprint, f"{stage.experiment}/{trial.number}") if stage.tracking else nullcontext()
        with opened as outside:
            track = Tee(JsonLines(history), *([outside] if outside else []), pruning)
            track.note({"experiment": stage.experiment, "trial": str(trial.number), **_texts(trial.values)})
            fitted = self._fit_or_pruned(recipe, folder, label, track)
        if isinstance(fitted, Pruned):
            raise fitted
        return fitted

    def _fit_or_pruned(self, recipe: Recipe, folder: Path, label: str, track: Tee) -> Fitted | Pruned:
        """Pruning is caught here, within the run: a run that an exception leaves ends as failed."""
        stage = self.stage
        fitting = Fitting(
            label,
            recipe,
            stage.evaluation,
            stage.runtime,
            stage.seed,
            folder,
            features=self.features,
            candidates=self.candidates,
        )
        try:
            return fitting.run(self.train, self.valid, track)
        except Pruned as end:
            track.note({"outcome": str(end)})
            return end


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
