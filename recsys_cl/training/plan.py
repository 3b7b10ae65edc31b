"""A training plan is values only: how long, how fast, when to stop, what to select on."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from recsys_cl.core.settings import Settings


class Plan(Settings):
    """What the loop is told, independent of family, batch and device."""

    epochs: int = Field(100, ge=0)
    """Passes over the training data at most; 0: the initialisation is the model."""
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False)
    """In ``adamw`` decoupled from the gradient (Loshchilov & Hutter, 2019, arXiv:1711.05101), else added to it."""
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = Field(0, ge=0)
    """Epochs over which the rate rises linearly to ``learning_rate``."""
    clip: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Largest allowed norm of the gradient; absent: unlimited."""
    evaluate_every: int = Field(1, ge=1)
    """Epochs between validations; the last epoch is always validated."""
    select: str = "ndcg@20"
    """The validation metric, larger is better, that chooses the epoch."""
    patience: int | None = Field(None, ge=1)
    """Validations without a better score before training stops; absent: never."""
    refit: bool = False
    """Afterwards train afresh on train + valid for the selected number of epochs, over which a ``cosine`` falls to its end."""

    def rate(self, epoch: int) -> float:
        """Learning rate of a 1-based epoch, a function of nothing else, so that resuming needs no state.

        Linear warm-up, then constant or half a cosine (Loshchilov & Hutter, 2017, arXiv:1608.03983, without restarts).
        """
        if epoch <= self.warmup:
            return self.learning_rate * epoch / (self.warmup + 1)
        if self.schedule == "constant":
            return self.learning_rate
        done = (epoch - self.warmup - 1) / max(self.epochs - self.warmup, 1)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2
