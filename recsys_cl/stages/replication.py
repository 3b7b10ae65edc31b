"""Two recipes trained with several seeds each: a difference that would hold for other seeds too, and other users."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsys_cl.core.errors import Refused
from recsys_cl.stages.difference import LEVEL, describe
from recsys_cl.stages.duel import common_metrics
from recsys_cl.stages.measured import Measured, refuse_unlike
from recsys_cl.stages.requirement import Requirement


def compare_replicates(
    ours: Sequence[Measured],
    theirs: Sequence[Measured],
    requirements: Sequence[Requirement],
    by_segment: Sequence[str] = (),
) -> dict[str, Any]:
    """The first runs minus the second, paired by seed, in the order given, and by user.

    Returns:
        What `recsys_cl.stages.duel.compare_two` does, with ``"seeds"`` besides, no segments, and null for ``p_flipped``;
        ``by_segment`` is left out and said to be. Means are over seeds and users; intervals and p are `seeded_interval`'s.

    Raises:
        Refused: as there, or the numbers of runs differ, or are fewer than four, or a run or its seed stands there twice.
    """
    from recsys_cl.evaluation.compare import Difference, decided, effect_size, holm, reliable
    from recsys_cl.evaluation.replicates import seeded_interval, seeded_p

    if len(ours) != len(theirs):
        raise Refused(f"{len(ours)} runs against {len(theirs)}: seeds are paired in the order given, so give as many of each")
    for runs in (ours, theirs):
        _refuse_repeats(runs)
    everything = [*ours, *theirs]
    refuse_unlike(everything)
    metrics = common_metrics(everything, requirements, by_segment)
    stacks = {name: _stack(ours, name) - _stack(theirs, name) for name in metrics}  # [S, U] each
    against = {name: float(_stack(theirs, name).mean()) for name in metrics}
    ps = np.array([seeded_p(stack) for stack in stacks.values()])
    rows = []
    for name, p, adjusted in zip(metrics, ps.tolist(), holm(ps).tolist(), strict=True):
        mean = stacks[name].mean(0)
        interval = seeded_interval(stacks[name], 1 - LEVEL)
        found = Difference(interval, effect_size(mean), p, np.nan, adjusted, len(mean), decided(mean), reliable(mean))
        means = {"metric": name, "a": against[name] + interval.mean, "b": against[name]}
        rows.append(means | describe(found, against[name]) | {"p_flipped": None})
    judged = [
        one.judge(stacks[one.metric].mean(0), seeded_interval(stacks[one.metric], one.level), against[one.metric])
        for one in requirements
    ]
    return {
        **{side: {"name": _names(runs), "digests": runs[0].digests} for side, runs in (("a", ours), ("b", theirs))},
        "users": len(ours[0].values),
        "seeds": len(ours),
        "confidence": 1 - LEVEL,
        "metrics": rows,
        "segments": [],
        "left_out": [f"{name} by segment: runs of several seeds are compared as wholes" for name in by_segment],
        "requirements": judged,
        "holds": all(one["holds"] for one in judged),
    }


def _refuse_repeats(runs: Sequence[Measured]) -> None:
    """One run several times has no spread between seeds, and would pass for several that agree."""
    places = [Path(run.name).resolve() for run in runs]  # one folder may be written in several ways
    seeds = [run.facts.get("seed") for run in runs]  # older evaluations do not say
    for number, run in enumerate(runs):
        if places[number] in places[:number]:
            raise Refused(f"{run.name} stands there twice; give runs of different seeds")
        if seeds[number] is not None and seeds[number] in seeds[:number]:
            other = runs[seeds.index(seeds[number])].name
            raise Refused(f"{other} and {run.name} are both of seed {seeds[number]}; give runs of different seeds")


def _stack(runs: Sequence[Measured], metric: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.stack([run.values[metric].to_numpy() for run in runs])


def _names(runs: Sequence[Measured]) -> str:
    return ",".join(run.name for run in runs)
