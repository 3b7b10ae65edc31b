"""The optimizer of a plan, fused, and its state as flat tensors that safetensors can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from recsys_cl.training.plan import Plan

_KINDS: Mapping[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def optimizer(weights: list[nn.Parameter], plan: Plan) -> Optimizer:
    """The plan's optimizer of ``weights``."""
    made: Optimizer = _KINDS[plan.optimizer](weights, lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True)
    return made


def moments(of: Optimizer) -> dict[str, Tensor]:
    """Its state by name: ``"3/exp_avg"`` belongs to the fourth weight."""
    state = of.state_dict()["state"]
    return {f"{index}/{name}": value for index, values in state.items() for name, value in values.items()}


def restore_moments(of: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what ``moments`` returned; rates and decays stay as the plan made them."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    of.load_state_dict({"state": state, "param_groups": of.state_dict()["param_groups"]})
