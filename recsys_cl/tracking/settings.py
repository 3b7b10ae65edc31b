"""What a version must show before it answers in production."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recsys_cl.core.settings import Settings


class Promotion(Settings):
    """The rule by which ``champion`` moves. Leaks in the data always stop it; the first version ever is appointed unasked."""

    automatic: bool = False  # decide at the end of every run
    metric: str = ""  # "": registry.metric
    margin: float = Field(0.0, allow_inf_nan=False)  # the 95 % interval of the difference must lie above it
    coverage: float = Field(0.0, ge=0, le=1)  # the least share of the catalogue that the lists of all users hold; 0: any
    latency_ms: float | None = Field(None, gt=0, allow_inf_nan=False)  # the 95th percentile of answers to one user
    drift: Literal["block", "warn"] = "warn"  # what follows where the newest rows are unlike those before

    @property
    def depth(self) -> str:
        """That of the metric, e.g. ``"20"``; empty where it has none."""
        return self.metric.partition("@")[2]
