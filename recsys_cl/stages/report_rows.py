"""A model and its evaluation, as the folders keep them, become one row of the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_cl.core.errors import Refused
from recsys_cl.stages.store import COST

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from recsys_cl.reporting.evidence import Trial


def read_trial(
    name: str, model: Path | None, evaluation: Path, metrics: Sequence[str], popularity: NDArray[np.int64] | None
) -> Trial:
    """What is known of one experiment.

    Args:
        name: to call it by.
        model: the folder of its training; None: not at hand.
        evaluation: the folder of its measurements.
        metrics: which to show, in this order; empty: all there are.
        popularity: [I] training interactions of each item; None: not at hand.

    Raises:
        Refused: a metric was not measured.
    """
    from recsys_cl.reporting.evidence import Trial
    from recsys_cl.stages.measured import read_measured, refuse_unmeasured

    measured = read_measured(evaluation, f"evaluation '{name}'")
    for metric in metrics:
        refuse_unmeasured(metric, measured)
    shown = list(metrics or measured.metrics)
    listed = _lists(evaluation)
    return Trial(
        name=name,
        test={metric: float(measured.values[metric].mean()) for metric in shown},
        intervals=_intervals(measured.values[shown]),
        recall=[] if listed is None else _recall(listed, evaluation),
        popularity=None if listed is None or popularity is None else float(popularity[listed["item"].to_numpy()].mean()),
        segments=_optional(evaluation / "segments.json", []),
        representation=_optional(evaluation / "representation.json", {}),
        strangers={int(n): values for n, values in _optional(evaluation / "strangers.json", {}).get("shots", {}).items()},
        **(_training(model) if model else {"title": name}),
    )


def _training(model: Path) -> dict[str, Any]:
    recipe, summary = _json(model / "recipe.json"), _json(model / "summary.json")
    lines = [json.loads(line) for line in (model / "history.jsonl").read_text("utf-8").splitlines()]
    return {
        "title": recipe["title"],
        "paper": recipe["provenance"]["paper"],
        "family": recipe["family"],
        "epochs": summary["epochs"],
        "seconds": _optional(model / COST, {}).get("seconds", 0.0),
        "parameters": summary["parameters"],
        "valid": summary["valid"],
        "history": [{"step": line["step"], **line["metrics"]} for line in lines if "metrics" in line],
        "settings": {key: value for key, value in recipe.items() if key not in {"title", "family", "provenance"} and value},
    }


def _intervals(values: pd.DataFrame) -> dict[str, tuple[float, float]]:
    from recsys_cl.evaluation.choosing import of_users
    from recsys_cl.evaluation.compare import paired_interval

    own = [metric for metric in values if of_users(str(metric))]
    found = {str(metric): paired_interval(values[metric].to_numpy(), values[metric].to_numpy() * 0) for metric in own}
    return {metric: (one.low, one.high) for metric, one in found.items()}


def _lists(evaluation: Path) -> pd.DataFrame | None:
    import pandas as pd

    path = evaluation / "recommendations.parquet"
    if not path.is_file():
        return None
    frame = pd.read_parquet(path)
    return frame if "hit" in frame and len(frame) else None


def _recall(listed: pd.DataFrame, evaluation: Path) -> list[float]:
    """Recall at depths 1, 2, … of lists with their hits: each hit is worth one of its user's held-out items."""
    import numpy as np
    import pandas as pd

    held_out = pd.read_parquet(evaluation / "per_user.parquet", columns=["user", "held_out"]).set_index("user")["held_out"]
    right = listed[listed["hit"]]
    worth = 1.0 / held_out.reindex(right["user"]).to_numpy()
    found = np.bincount(right["rank"].to_numpy() - 1, worth, minlength=int(listed["rank"].max()))
    return [float(value) for value in found.cumsum() / len(held_out)]


def _optional(path: Path, default: Any) -> Any:
    return json.loads(path.read_text("utf-8")) if path.is_file() else default


def _json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: not readable: {error}") from error
    return value
