"""What a pipeline and a recipe say about tuning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recsys_cl.core.settings import Component, Settings

Pruner = Literal["median", "hyperband", "none"]


class Space(Settings):
    """The table ``[tune]`` of a recipe: what may vary, by the setting's key (``"encoder.dim"``). ``use`` names a range."""

    space: dict[str, Component] = Field(default_factory=dict)


class Tune(Settings):
    """The table ``[tune]`` of a pipeline."""

    trials: int = Field(20, ge=1)  # of every recipe that has something to vary
    seed: int | None = Field(None, ge=0)  # of the search; None: the pipeline's. Training always has the pipeline's
    metric: str = ""  # "": registry.metric; on validation, larger is better
    prune: Pruner = "median"  # when a trial is given up at a validation
    space: dict[str, Component] = Field(default_factory=dict)  # laid over the space of each recipe that has the setting
