"""What a search found: every trial as JSON, and the best as TOML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_cl.core.files import write_json
from recsys_cl.tuning.finished import Finished, best
from recsys_cl.tuning.fragment import fragment
from recsys_cl.tuning.space import change

if TYPE_CHECKING:
    from recsys_cl.stages.tune import TuneStage

TRIALS, BEST = "trials.json", "best.toml"


def write_findings(folder: Path, stage: TuneStage, finished: Sequence[Finished], *, own_first: bool) -> Mapping[str, float]:
    """Write ``trials.json`` and, where something was varied with success, ``best.toml``; answer with counts.

    ``trials.json``: ``recipe``, ``metric``, ``space``; counts ``complete``, ``pruned``, ``failed``; ``own``, the score of the
    recipe's own settings, or null; ``best``, a trial or null; ``trials``, each with ``number``, ``state``, ``value``,
    ``values`` and ``facts``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = best(finished)
    counts = {state: sum(trial.state == state for trial in finished) for state in ("complete", "pruned", "failed")}
    story = {
        "recipe": stage.experiment,
        "metric": stage.tune.metric,
        "space": {key: each.model_dump(mode="json") for key, each in stage.space.items()},
        **counts,
        "own": finished[0].value if own_first else None,
        "best": asdict(found) if found else None,
        "trials": [asdict(trial) for trial in finished],
    }
    write_json(folder / TRIALS, story)
    if found and stage.space:
        words = f"{stage.experiment}: best of {len(finished)} trials, {stage.tune.metric} {found.value:.4f} on validation"
        advice = "Paste below its `recipe`, or point `tuned` at this file."
        text = fragment(f"{words}.\n{advice}", len(finished), change(stage.recipe.settings(), found.values))
        (folder / BEST).write_text(text, "utf-8")
    return {"trials": len(finished), **counts}
