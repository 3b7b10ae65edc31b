"""A recipe is fitted: select the epoch on validation, then perhaps train afresh on everything known for as long."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from recsys_cl.config import Recipe
from recsys_cl.core.chance import derive, generator
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Method, Tracker
from recsys_cl.core.runtime import Runtime
from recsys_cl.core.values import Interactions, ItemFeatures, Ragged
from recsys_cl.evaluation.candidates import Candidates
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.evaluation.judge import Judge
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ops.ranks import ALONE, Ranks
from recsys_cl.ops.sharded import unshard
from recsys_cl.stages.assemble import assemble, device_of, penalties
from recsys_cl.tracking.tee import Tee
from recsys_cl.training import heap
from recsys_cl.training.checkpoint import Folder
from recsys_cl.training.in_step import in_step
from recsys_cl.training.loop import fit
from recsys_cl.training.plan import Plan
from recsys_cl.training.precision import Bfloat16
from recsys_cl.training.randomness import seeded
from recsys_cl.training.run import Best, Run
from recsys_cl.training.symptoms import SAMPLE, Symptoms
from recsys_cl.training.watched import Watched


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What fitting leaves."""

    method: Method[Any]  # with its final weights
    best: Best  # the selected epoch, with its validation scores
    epochs_run: int  # until training stopped; the refit is not counted
    seconds: float  # all training, refit included, and what solving a recipe without epochs takes
    device: torch.device


@dataclass(frozen=True, slots=True, eq=False)
class Fitting:
    """All that stays the same from the selection to the refit.

    Args:
        label: whose training it is, for messages and the progress bar.
        checkpoints: folder for checkpoints; what an interrupted fitting left there is continued.
        categories: of each item, for the metrics that read them.
        features: of each item, for the components that read them.
        candidates: the items that are ranked in validation; None: all are.
        ranks: the processes that fit it together; the others' trackers hear nothing and their folders stay empty.
    """

    label: str
    recipe: Recipe
    evaluation: Evaluation
    runtime: Runtime
    seed: int
    checkpoints: Path
    categories: Ragged | None = None
    features: ItemFeatures | None = None
    candidates: Candidates | None = None
    ranks: Ranks = ALONE

    def run(self, train: Interactions, valid: Interactions, track: Tracker) -> Fitted:
        """Fit on ``train``, select on ``valid``; ``track`` is told of the selection, epoch by epoch.

        Raises:
            Refused: a component or the data cannot be used, or nobody in ``valid`` can be validated.
            Diverged: training stopped being finite.
            Unavailable: the device is not there.
        """
        device, plan = device_of(self.runtime), self.recipe.training
        if plan.refit and self.evaluation.history == "train":
            raise Refused("training.refit: with evaluation.history = 'train' nothing may be learnt from the validation part")
        train, valid = train.to(device), valid.to(device)
        judge = Judge(
            valid,
            train,
            build_metrics(self.evaluation),
            exclude_seen=self.evaluation.exclude_seen,
            budget=self.evaluation.budget,
            model=self.label,
            categories=None if self.categories is None else self.categories.to(device),
            candidates=None if self.candidates is None else self.candidates.to(device),
            ranks=self.ranks,
        )
        selection = self._fit(train, judge, plan, track, "selection")
        best = selection.best
        assert best is not None, "a judged fit has a best epoch"
        if not plan.refit or best.epoch == 0:
            return Fitted(selection.method, best, selection.epoch, selection.seconds, device)
        again = plan.model_copy(update={"epochs": best.epoch})
        refit = self._fit(train.then(valid), None, again, None, "refit")
        return Fitted(refit.method, best, selection.epoch, selection.seconds + refit.seconds, device)

    def _fit(self, known: Interactions, judge: Judge | None, plan: Plan, track: Tracker | None, phase: str) -> Run[Any]:
        """One fit of a fresh method; the same seed gives the same initial weights and the same chance in both phases."""
        device = known.users.device
        with heap.kept(), seeded(derive(self.seed, "globals")):
            began = perf_counter()
            shared = {"gather": self.runtime.gather_negatives, "shards": self.runtime.shard_tables}
            assembly = assemble(self.recipe, known, self.seed, device, self.features, self.ranks, **shared)
            solved = perf_counter() - began
            method = Bfloat16(assembly.method) if self.runtime.precision == "bf16" else assembly.method
            method, feed, keeper = in_step(method, assembly.feed, Folder(self.checkpoints / phase), self.ranks)
            rng = generator(self.seed, "training", device=device)
            label = self.label if judge else f"{self.label} ({phase})"
            silent = not self.ranks.leads
            with Watched(feed, label, plan.epochs, plan.select, silent=silent) as watched:
                told: Any = watched
                if track is not None:
                    some = torch.arange(known.shape.users, device=device)[:: max(known.shape.users // SAMPLE, 1)]
                    encode = partial(encode_all, assembly.method, assembly.feed, some)
                    method = told = Symptoms(method, Tee(track, watched), encode, penalties(self.recipe), self.label)
                run = fit(method, watched, judge, plan, told, rng, keeper)
            unshard(assembly.method.module)
        run.seconds += solved
        return run
