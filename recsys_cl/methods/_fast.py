"""Which weights of an encoder a task may change, and what it reads with weights of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Tasks
from recsys_cl.ops.adapt import Weights


def fast_weights(encoder: nn.Module, tasks: Tasks) -> tuple[str, ...]:
    """Names of the encoder's weights that no item's vector depends on: autograd says so, of any encoder.

    Items are ranked for everybody, so what they are made of is nobody's own.
    """
    named, cuda = dict(encoder.named_parameters()), [tasks.tokens.device] if tasks.tokens.is_cuda else []
    with torch.enable_grad(), torch.random.fork_rng(cuda):  # asked once a process: dropout must not draw once more for it
        (once,) = encoder([tasks.rows(tasks.tokens[:1])], tasks.tokens.new_zeros(1))
        slopes = torch.autograd.grad(once.items.sum(), list(named.values()), allow_unused=True)
    return tuple(name for name, slope in zip(named, slopes, strict=True) if slope is None)


def start_of(head: nn.Module, encoder: nn.Module, names: Sequence[str]) -> dict[str, Tensor]:
    """The weights from which every task begins: the head's, and those of the encoder with ``names``.

    Raises:
        Refused: there are none.
    """
    start: dict[str, Tensor] = {f"head.{name}": value for name, value in head.named_parameters()}
    start |= {f"encoder.{name}": encoder.get_parameter(name) for name in names}
    if not start:
        raise Refused("method.head: all of the encoder is what items are made of; without a head nothing can adapt")
    return start


def own_states(encoder: nn.Module, weights: Weights, tasks: Tasks, tokens: Tensor) -> Tensor:
    """One task's states [L, D] of its history ``tokens`` [L], by an encoder with ``weights`` of its own."""
    asked: Any = ([tasks.rows(tokens[None])], tokens.new_zeros(1), tokens.new_zeros(0))  # no item is asked for
    (own,) = functional_call(encoder, dict(weights), asked)
    states: Tensor = own.users
    return states


def named(prefix: str, weights: Weights) -> dict[str, Tensor]:
    """Those of the ``weights`` that begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
