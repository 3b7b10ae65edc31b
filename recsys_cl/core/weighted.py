"""What a loss counts for stands in its own table, as ``weight``, and is the business of whoever adds losses up."""

from __future__ import annotations

from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component


def without_weight(objective: Component) -> Component:
    """An objective's own settings; its ``weight`` is the method's business."""
    return Component.model_validate({k: v for k, v in objective.model_dump().items() if k != "weight"})


def weight_of(objective: Component, key: str) -> float:
    """What an objective counts for, 1 unless it says otherwise; finite and not negative."""
    weight = objective.arguments.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
        raise Refused(f"{key}.weight: should be a number of 0 or more, got {weight!r}")
    return float(weight)
