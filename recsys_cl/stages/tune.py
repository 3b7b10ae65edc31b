"""One recipe's search: every trial is a fitting on train, judged on valid. The test part is never read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from recsys_cl.config import Recipe
from recsys_cl.core.files import digest_file, digest_json
from recsys_cl.core.protocols import Job
from recsys_cl.core.runtime import Runtime
from recsys_cl.core.settings import Component
from recsys_cl.core.version import VERSION
from recsys_cl.evaluation.settings import Evaluation
from recsys_cl.tuning.settings import Tune
from recsys_cl.tuning.space import build_space, own

if TYPE_CHECKING:
    from recsys_cl.stages.train import Tracking

STUDIES = "studies.db"


@dataclass(frozen=True)
class TuneStage:
    """Tries settings of a recipe and keeps those that validate best.

    The trials lie in ``folder``, outside of what is committed: a killed search goes on in the middle of its trial, and one with
    more trials than before goes on where that ended.

    Args:
        experiment: the name of the model.
        recipe: what is varied; it is never refitted here.
        space: what may vary, by key; nothing: one trial.
        tune: how often and by what.
        evaluation: what is measured in validation.
        runtime: where to compute.
        seed: of the training of every trial, and of the search unless it has its own.
        folder: of the pipeline's trials.
        tracking: opens the run of a trial.
        tell: receives a line when a trial ends.
    """

    experiment: str
    recipe: Recipe
    space: Mapping[str, Component]
    tune: Tune
    evaluation: Evaluation
    runtime: Runtime
    seed: int
    folder: Path = field(repr=False)
    tracking: Tracking | None = None
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False)

    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("train", "valid", "vocabulary")

    @property
    def name(self) -> str:
        """``tune/EXPERIMENT``."""
        return f"tune/{self.experiment}"

    @property
    def writes(self) -> tuple[str, ...]:
        """``tuning/EXPERIMENT``: ``trials.json`` and, where a trial was completed, ``best.toml``."""
        return (f"tuning/{self.experiment}",)

    @property
    def trials(self) -> int:
        """How many there will be: as many for every recipe, but one where nothing may vary."""
        return self.tune.trials if self.space else 1

    @property
    def search(self) -> dict[str, Any]:
        """All that decides a trial; how many there are does not."""
        return {
            "recipe": self.recipe.settings(),
            "space": {key: each.model_dump(mode="json") for key, each in self.space.items()},
            "tune": self.tune.model_dump(mode="json", exclude={"trials", "space"}),
            "evaluation": self.evaluation.model_dump(mode="json", exclude={"memory_mib", "shots"}),
            "runtime": self.runtime.decides(),
            "seed": self.seed,
        }

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return {**self.search, "trials": self.trials}

    def outside(self) -> Mapping[str, str]:
        """Nothing beyond the store is read."""
        return {}

    def run(self, job: Job) -> Mapping[str, float]:
        """Finish the trials that are missing and write what they say; a recipe of which none was completed says why.

        Raises:
            Unavailable: Optuna, the device or the disk is not there.
        """
        from recsys_cl.evaluation.candidates import candidates_of
        from recsys_cl.ingest.dataset import load_features, load_interactions, load_shape, select_items
        from recsys_cl.stages.findings import write_findings
        from recsys_cl.stages.search import Search
        from recsys_cl.tracking.creation import locked
        from recsys_cl.tuning.study import Study

        shape = load_shape(job.reads["vocabulary"])
        train, valid = (load_interactions(job.reads[part], shape) for part in ("train", "valid"))
        features = load_features(job.reads["vocabulary"], shape)
        asked = self.evaluation.candidates
        candidates = candidates_of(select_items(job.reads["vocabulary"], asked), shape.items, asked)
        data = {part: digest_file(job.reads[part]) for part in ("train", "valid")}
        name = f"{self.experiment}-{digest_json([self.search, data, self.version, VERSION])[:16]}"
        ranges, working = build_space(self.space), self.folder / name
        first, seed = own(self.recipe.settings(), ranges), self.seed if self.tune.seed is None else self.tune.seed
        epochs = self.recipe.training.epochs
        with (
            locked(working),  # searches of two lengths are two stages with the same trials
            Study(self.folder / STUDIES, name, ranges, first, seed, self.tune.prune, epochs) as study,
        ):
            search = Search(self, study, train, valid, working, features, candidates)
            while len(finished := study.finished()) < self.trials:
                search.finish_one()
            search.sweep()
        return write_findings(job.out(self.writes[0]), self, finished[: self.trials], own_first=first is not None)
