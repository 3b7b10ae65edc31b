"""The epoch that the test part itself prefers, as many papers report it: to be set beside their figures and for nothing else.

The pipeline's own stages ingest, prepare and train; between them a stage of this benchmark lays train and valid together and
puts test where valid was. The vocabulary stays that of train, as in a refit: of the published pairs, 4 on Gowalla and 15 on
Yelp2018 are of items that only the validation file holds, and are not learnt from.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from recsys_cl.config import Recipe, alter, load_pipeline
from recsys_cl.core.protocols import Job, Stage
from recsys_cl.ingest.dataset import load_interactions, load_shape
from recsys_cl.ingest.preparing.preparation import Part
from recsys_cl.ingest.preparing.vocabulary import write_part
from recsys_cl.stages.ingest import IngestStage
from recsys_cl.stages.prepare import PrepareStage
from recsys_cl.stages.runner import run_stages
from recsys_cl.stages.store import COST, Store
from recsys_cl.stages.train import TrainStage


@dataclass(frozen=True)
class ChosenOnTest:
    """What is trained on becomes train + valid, and what chooses the epoch the test part."""

    name: ClassVar[str] = "chosen-on-test"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("train", "valid", "test", "vocabulary")
    writes: ClassVar[tuple[str, ...]] = ("train", "valid")
    settings: ClassVar[Mapping[str, Any]] = {}

    def outside(self) -> Mapping[str, str]:
        """Nothing beyond the store is read."""
        return {}

    def run(self, job: Job) -> Mapping[str, float]:
        """Write both parts under the names by which training reads them."""
        shape = load_shape(job.reads["vocabulary"])
        train, valid = (load_interactions(job.reads[part], shape) for part in ("train", "valid"))
        known = train.then(valid)
        columns = (known.users.int().numpy(), known.items.int().numpy(), known.times.numpy())
        write_part(Part(*columns), job.out("train"))
        shutil.copyfile(job.reads["test"], job.out("valid"))
        return {"train": len(known)}


def every_epoch(recipe: Recipe) -> Recipe:
    """The recipe with each of its epochs measured, as many of them as its patience would have waited for, and no refit."""
    plan = recipe.training
    patience = plan.patience and plan.patience * plan.evaluate_every
    return alter(recipe, {"training": {"refit": False, "evaluate_every": 1, "patience": patience}}, "best epoch on test")


def best_on_test(path: Path, recipe: str, changes: list[str], data_dir: Path) -> dict[str, Any]:
    """Train the one recipe of the pipeline at ``path``; the epoch that is best on the test part, and its figures there."""
    pipeline = load_pipeline(path, changes)
    name, made = f"{recipe}-on-test", every_epoch(pipeline.recipes()[recipe])
    stages: list[Stage] = [
        IngestStage(pipeline.ingest, pipeline.seed),
        PrepareStage(pipeline.prepare),
        ChosenOnTest(),
        TrainStage(name, made, pipeline.evaluation, pipeline.runtime, pipeline.seed),
    ]
    outcome = run_stages(stages, Store(data_dir.resolve() / pipeline.name), lambda *_: None)
    prepared, model = outcome.done[1].receipt, outcome.artifacts[f"model/{name}"].path
    summary, cost = (json.loads((model / each).read_text("utf-8")) for each in ("summary.json", COST))
    return {
        "selection": "test",
        "digests": {f"{part} (sha256)": prepared.artifact(part).digest for part in ("train", "valid", "test")},
        "epochs": summary["epochs"],
        "epochs_run": summary["epochs_run"],
        "train_seconds": cost["seconds"],
        "test": summary["valid"],
    }
