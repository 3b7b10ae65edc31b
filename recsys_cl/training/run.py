"""The one mutable value of training: all that changes from epoch to epoch, kept and put back as a whole."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from torch import Generator, Tensor
from torch.optim import Optimizer

from recsys_cl.core.errors import Diverged, Refused, nearest
from recsys_cl.core.protocols import Method
from recsys_cl.training import randomness
from recsys_cl.training.checkpoint import Keeper
from recsys_cl.training.optimizer import moments, optimizer, restore_moments
from recsys_cl.training.plan import Plan
from recsys_cl.training.weights import described

S = TypeVar("S")
_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The weights that validated best so far."""

    epoch: int  # 1-based; 0: the initialisation
    scores: Mapping[str, float]  # every validation metric
    weights: Mapping[str, Tensor]


class Run(Generic[S]):
    """A training run, whole at every epoch boundary.

    What is saved and resumed here is what makes an interrupted run end in the bytes of one left alone: weights, optimizer,
    best weights and scores (patience follows from them), the run's own generator and the process-wide ones.
    The learning rate is a function of the epoch and needs no state.
    """

    def __init__(self, method: Method[S], plan: Plan, rng: Generator) -> None:
        weights = [weight for weight in method.module.parameters() if weight.requires_grad]
        self.method = method
        self.rng = rng
        self.epochs = plan.epochs if weights else 0  # to run at most
        self.epoch = 0  # done, or at work on
        self.best: Best | None = None
        self.seconds = 0.0  # wall time of the epochs done, over all sittings
        self._plan = plan
        self._weights = weights
        self._since = time.perf_counter()

    @cached_property
    def optimizer(self) -> Optimizer:
        """Of the weights that learn. Made for the first epoch: torch imports ``torch._dynamo`` for it, which takes seconds."""
        return optimizer(self._weights, self._plan)

    @property
    def stale(self) -> bool:
        """As many validations as the plan has patience for have passed without a better score."""
        if self._plan.patience is None or self.best is None:
            return False
        return (self.epoch - self.best.epoch) // self._plan.evaluate_every >= self._plan.patience

    def begin_epoch(self) -> None:
        """Turn to the next epoch, at its learning rate, in training mode."""
        self.epoch += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self._plan.rate(self.epoch)
        self.method.module.train()

    def consider(self, scores: Mapping[str, float]) -> None:
        """Keep the present weights if they score better than the best so far; of equals the first stays."""
        select = self._plan.select
        if select not in scores:
            raise Refused(f"training.select: '{select}' is not measured in validation; {nearest(select, scores)}")
        for name, score in scores.items():
            if not math.isfinite(score):
                raise Diverged(f"epoch {self.epoch}: validation metric '{name}' is not finite")
        if self.best is None or scores[select] > self.best.scores[select]:
            weights = {name: value.detach().clone() for name, value in self._state().items()}
            self.best = Best(self.epoch, dict(scores), weights)

    def restore_best(self) -> None:
        """Leave the best weights in the method; where nothing was validated, the last ones stay."""
        if self.best is not None:
            self.method.module.load_state_dict(dict(self.best.weights))

    def require_finite(self) -> None:
        """Ask, before an epoch's weights are judged or kept, whether they are numbers.

        Raises:
            Diverged: a weight is not finite.
        """
        for name, value in self._state().items():
            if not bool(value.isfinite().all()):
                raise Diverged(f"epoch {self.epoch}: weight '{name}' is not finite; look at training.learning_rate")

    def save(self, keeper: Keeper) -> None:
        """Keep a checkpoint of this epoch."""
        now = time.perf_counter()
        self.seconds, self._since = self.seconds + now - self._since, now
        random_tensors, random_values = randomness.capture()
        parts = {
            "weights": self._state(),
            "best": self.best.weights if self.best else {},
            "optimizer": moments(self.optimizer),
            "random": {"own": self.rng.get_state(), **random_tensors},
        }
        facts = {
            "signature": self._signature(),
            "epoch": self.epoch,
            "seconds": self.seconds,
            "best": {"epoch": self.best.epoch, "scores": dict(self.best.scores)} if self.best else None,
            "random": random_values,
        }
        keeper.write(self.epoch, parts, facts)

    def resume(self, keeper: Keeper) -> None:
        """Continue from the newest whole checkpoint that ``keeper`` has, if there is one.

        Raises:
            Refused: the checkpoint is of another plan or another model.
        """
        kept = keeper.read()
        if kept is None:
            return
        parts, facts = kept
        if told := _differences(facts["signature"], self._signature()):
            raise Refused(f"{keeper} holds checkpoints of other settings ({told}); remove it to train afresh")
        self.epoch, self.seconds = facts["epoch"], facts["seconds"]
        self.best = Best(weights=parts["best"], **facts["best"]) if facts["best"] else None
        self.method.module.load_state_dict(parts["weights"])
        restore_moments(self.optimizer, parts["optimizer"])
        self.rng.set_state(parts["random"].pop("own"))
        randomness.restore(parts["random"], facts["random"])

    def _state(self) -> dict[str, Tensor]:
        return self.method.module.state_dict()

    def _signature(self) -> dict[str, str]:
        """What a checkpoint must agree with to be continued, as text by name."""
        plan = {f"training.{name}": json.dumps(value) for name, value in self._plan.model_dump(mode="json").items()}
        weights = {f"weight {name}": f"{dtype} {list(shape)}" for name, (dtype, shape) in described(self.method.module).items()}
        modules = {f"module {name}": type(each).__qualname__ for name, each in self.method.module.named_modules()}
        return plan | weights | modules


def _differences(kept: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The first few names whose values differ, with both; empty: none does."""
    kept = kept if isinstance(kept, Mapping) else {"signature": kept}  # of a version that kept a digest
    names = [name for name in sorted({*kept, *now}) if kept.get(name) != now.get(name)]
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    told = [f"{name}: {kept.get(name, 'absent')} there, {now.get(name, 'absent')} here" for name in names[:_SHOWN]]
    return "; ".join(told + more)
