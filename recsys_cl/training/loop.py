"""The one training loop. It knows no family, no device, no logger and no configuration file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import clip_grads_with_norm_

from recsys_cl.core.errors import Diverged
from recsys_cl.core.protocols import GRADIENT, Feed, Method, Tracker
from recsys_cl.core.stopping import heed
from recsys_cl.ops.sharded import total_norm
from recsys_cl.training.checkpoint import Folder, Keeper
from recsys_cl.training.plan import Plan
from recsys_cl.training.run import Run
from recsys_cl.training.tally import Tally

S = TypeVar("S")

Judge = Callable[[Method[S], Feed[S]], Mapping[str, Tensor]]
"""Validation: each metric's value for each user, by name, [U]."""


def fit(
    method: Method[S],
    feed: Feed[S],
    judge: Judge[S] | None,
    plan: Plan,
    track: Tracker,
    rng: Generator,
    checkpoint: Path | Keeper,
) -> Run[S]:
    """Train ``method`` in place and leave its best weights in it.

    Interrupted runs continue: what ``checkpoint`` holds is picked up, and the result is the one an uninterrupted
    run would have given, byte for byte on the same machine. Without a judge (a refit) all epochs of the plan are run
    and the last weights stay. A method without parameters, or a plan of no epochs, is judged as it is.

    Args:
        method: what to train, on the device of ``feed``.
        feed: batches for training and sources for the judge.
        judge: validation scores, one per user, or None.
        plan: how long, how fast, when to stop.
        track: receives ``loss/TERM``, ``loss/gradient`` (its norm) and ``valid/METRIC`` once an epoch.
        rng: all chance of batches, negatives and views, on the device of ``feed``.
        checkpoint: what keeps the newest two checkpoints; a folder keeps them on disk.

    Raises:
        Diverged: a loss term, the gradient, a weight or a score is not finite; the last good checkpoint is kept.
        Refused: ``checkpoint`` is of other settings, ``plan.select`` is not measured, or there is nothing to train on.
    """
    run = Run(method, plan, rng)
    keeper = Folder(checkpoint) if isinstance(checkpoint, Path) else checkpoint
    run.resume(keeper)

    while run.epoch < run.epochs and not run.stale:
        run.begin_epoch()

        figures = _one_epoch(run, feed, plan.clip)
        run.require_finite()
        if judge is not None and (run.epoch % plan.evaluate_every == 0 or run.epoch == run.epochs):
            figures |= _validate(run, feed, judge)

        track.log(figures, step=run.epoch)
        run.save(keeper)

    if judge is not None and run.best is None:
        track.log(_validate(run, feed, judge), step=run.epoch)

    run.restore_best()
    return run


def _one_epoch(run: Run[S], feed: Feed[S], clip: float | None) -> dict[str, float]:
    """One pass over the training data; returns the mean of every loss term and of the gradient's norm."""
    tally = Tally(run.epoch)

    for batch in feed.training(run.rng):
        heed()
        terms = run.method.losses(batch, run.rng)

        run.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        norm = _clip(run.method.module, clip)

        tally.add({**terms, GRADIENT: norm})
        run.optimizer.step()

    return {f"loss/{name}": value for name, value in tally.means().items()}


def _clip(module: nn.Module, limit: float | None) -> Tensor:
    """Norm of the whole gradient, scalar, measured before it is scaled down to ``limit``."""
    norm = total_norm(module.parameters())
    if limit is not None:
        clip_grads_with_norm_(module.parameters(), limit, norm)
    return norm


def _validate(run: Run[S], feed: Feed[S], judge: Judge[S]) -> dict[str, float]:
    """Score the present weights and keep them if they are the best so far; returns the mean of every metric."""
    run.method.module.eval()
    with torch.no_grad():
        try:
            scores = {name: float(values.mean()) for name, values in judge(run.method, feed).items()}
        except Diverged as error:
            raise Diverged(f"epoch {run.epoch}: {error}; look at training.learning_rate") from error
    run.consider(scores)
    return {f"valid/{name}": score for name, score in scores.items()}
