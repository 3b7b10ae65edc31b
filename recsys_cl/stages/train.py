"""One recipe, trained: train and valid in, weights and their story out. The test part is never read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from recsys_cl.config import Recipe
from recsys_cl.core.files import write_json
from recsys_cl.core.protocols import Job, Tracker
from recsys_cl.core.runtime import Runtime
from recsys_cl.evaluation.settings import Evaluation
from recsys_cl.stages.store import COST

if TYPE_CHECKING:
    from torch import nn

    from recsys_cl.core.values import Interactions, Shape
    from recsys_cl.ops.ranks import Ranks
    from recsys_cl.stages.fitting import Fitted, Fitting

Tracking = Callable[[str, str], AbstractContextManager[Tracker]]
"""Opens the run of a training, given the stage's fingerprint and the experiment's name."""


@dataclass(frozen=True)
class TrainStage:
    """Trains a recipe, selects an epoch on the validation part and, where the plan says so, refits on both.

    Args:
        experiment: the name of the model.
        recipe: what it is made of.
        evaluation: what is measured in validation.
        runtime: where to compute.
        seed: of the pipeline; two experiments with one recipe and one seed are the same model.
        tracking: where the story is told besides ``history.jsonl``.
        ranks: the processes that train together; None: this one alone.
    """

    experiment: str
    recipe: Recipe
    evaluation: Evaluation
    runtime: Runtime
    seed: int
    tracking: Tracking | None = None
    ranks: Ranks | None = field(default=None, compare=False)

    version: ClassVar[int] = 5
    reads: ClassVar[tuple[str, ...]] = ("train", "valid", "vocabulary")

    @property
    def name(self) -> str:
        """``train/EXPERIMENT``."""
        return f"train/{self.experiment}"

    @property
    def writes(self) -> tuple[str, ...]:
        """``model/EXPERIMENT``: weights, recipe, summary, history; and what they cost."""
        return (f"model/{self.experiment}",)

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that decides the weights and what is said of them; memory and threads do not."""
        return {
            "recipe": self.recipe.settings(),
            "evaluation": self.evaluation.model_dump(mode="json", exclude={"memory_mib", "segments", "history", "shots"}),
            "runtime": self.runtime.decides(),
            "seed": self.seed,
        }

    def outside(self) -> Mapping[str, str]:
        """Nothing beyond the store is read."""
        return {}

    def run(self, job: Job) -> Mapping[str, float]:
        """Train, continuing where an interrupted run of the same errand stopped; answer with the validation scores.

        Raises:
            Refused: a component or the data cannot be used, or nobody can be validated.
            Diverged: training stopped being finite.
            Unavailable: the device is not there.
        """
        from recsys_cl.tracking.jsonl import JsonLines
        from recsys_cl.tracking.tee import Tee

        fitting, train, valid = self._fitting(job)
        history = job.scratch / "history.jsonl"
        open_run = self.tracking(job.fingerprint, self.experiment) if self.tracking else nullcontext()
        with open_run as outside:
            track = Tee(JsonLines(history), *([outside] if outside else []))
            track.note(self._facts(job))
            fitted = fitting.run(train, valid, track)
        summary = self._summary(job, fitted, train.shape)
        folder = job.out(self.writes[0])
        _write(folder, fitted.method.module, self.recipe, summary, history)
        cost = {"seconds": round(fitted.seconds, 3), "device": str(fitted.device)}
        write_json(folder / COST, {**cost, "processes": self.ranks.size if self.ranks else 1})
        return {"epochs": fitted.best.epoch, "epochs_run": fitted.epochs_run, **fitted.best.scores}

    def assist(self, job: Job) -> None:
        """Train as one of several processes, of which another one writes."""
        from recsys_cl.tracking.tee import Tee

        fitting, train, valid = self._fitting(job)
        fitting.run(train, valid, Tee())

    def _fitting(self, job: Job) -> tuple[Fitting, Interactions, Interactions]:
        """What is to be fitted, and the train and valid parts."""
        from recsys_cl.evaluation.candidates import candidates_of
        from recsys_cl.ingest.dataset import load_categories, load_features, load_interactions, load_shape, select_items
        from recsys_cl.ops.ranks import ALONE
        from recsys_cl.stages.fitting import Fitting

        vocabulary, evaluation, asked = job.reads["vocabulary"], self.evaluation, self.evaluation.candidates
        shape = load_shape(vocabulary)
        train, valid = (load_interactions(job.reads[part], shape) for part in ("train", "valid"))
        fitting = Fitting(
            self.name,
            self.recipe,
            evaluation,
            self.runtime,
            self.seed,
            job.scratch / "checkpoint",
            load_categories(vocabulary, evaluation.category, evaluation.category_separator),
            load_features(vocabulary, shape),
            candidates_of(select_items(vocabulary, asked), shape.items, asked),
            self.ranks or ALONE,
        )
        return fitting, train, valid

    def _facts(self, job: Job) -> dict[str, str]:
        """What decides the run, as text by dotted name, and what must be equal for equal bytes."""
        import torch

        from recsys_cl.stages.assemble import device_of

        return {
            "experiment": self.experiment,
            "fingerprint": job.fingerprint,
            "device": str(device_of(self.runtime)),
            "threads": str(torch.get_num_threads()),
            "torch": torch.__version__,
            "instructions": torch.backends.cpu.get_cpu_capability(),
            **_flat(self.settings),
        }

    def _summary(self, job: Job, fitted: Fitted, shape: Shape) -> dict[str, Any]:
        return {
            "recipe": self.experiment,
            "fingerprint": job.fingerprint,
            "shape": {"users": shape.users, "items": shape.items},
            "epochs": fitted.best.epoch,
            "epochs_run": fitted.epochs_run,
            "valid": dict(fitted.best.scores),
            "refit": self.recipe.training.refit and fitted.best.epoch > 0,
            "parameters": sum(weight.numel() for weight in fitted.method.module.parameters()),
        }


def _write(folder: Path, module: nn.Module, recipe: Recipe, summary: Mapping[str, Any], history: Path) -> None:
    from recsys_cl.training.weights import save_weights

    folder.mkdir(parents=True, exist_ok=True)
    save_weights(module, folder / "weights.safetensors")
    write_json(folder / "recipe.json", recipe.model_dump(mode="json"))
    write_json(folder / "summary.json", summary)
    shutil.copyfile(history, folder / "history.jsonl")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as one level: ``{"encoder": {"dim": 64}}`` becomes ``{"encoder.dim": "64"}``."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{key}.")
        else:
            flat[key] = value if isinstance(value, str) else json.dumps(value)
    return flat
