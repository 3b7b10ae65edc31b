"""What one task learns by: a head on an encoder's states, and a loss on the support."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import embedding

from recsys_cl.core.build import build
from recsys_cl.core.protocols import Objective
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions
from recsys_cl.core.weighted import weight_of, without_weight

Kind = Literal["none", "shift", "affine"]
"""What is put on an encoder's states: nothing, a vector added to them, or an affine map; all begin as the identity."""


class Head(nn.Module):
    """States [..., D] to vectors [..., D]."""

    def __init__(self, kind: Kind, dim: int) -> None:
        super().__init__()
        self.shift = None if kind == "none" else nn.Parameter(torch.zeros(dim))
        self.turn = nn.Parameter(torch.zeros(dim, dim)) if kind == "affine" else None  # beside the identity

    def forward(self, states: Tensor) -> Tensor:
        """The states, turned and shifted."""
        turned = states if self.turn is None else states + states @ self.turn
        return turned if self.shift is None else turned + self.shift


class Inner(nn.Module):
    """The project's own objectives on one task's support: each place of it asks for the item that followed.

    The part ``support`` of the encoding they read holds the items that followed, row by row: ``info_nce`` with
    ``between = "layers"``, ``layer = "support"`` and ``sides = "users"`` is the contrast of the support with itself.

    Args:
        objectives: by name, with their weights.
        negatives: how many items, drawn once, stand against every answer; 0: the whole catalogue does.
        dim: length of a vector.
        answering: how many items there are; fewer or more where tasks are asked for something else.
    """

    negatives: Tensor | None

    def __init__(
        self,
        objectives: Mapping[str, Component],
        negatives: int,
        dim: int,
        interactions: Interactions,
        rng: Generator,
        answering: int,
    ) -> None:
        super().__init__()
        shape = interactions.shape
        drawn = torch.randperm(answering, generator=rng)[:negatives] if negatives else None
        self.register_buffer("negatives", drawn)
        self.objectives: dict[str, tuple[float, Objective]] = {}
        for name, part in objectives.items():
            key, context = f"method.inner.{name}", {"shape": shape, "interactions": interactions, "rng": rng, "dim": dim}
            self.objectives[name] = (weight_of(part, key), build("objectives", without_weight(part), key, **context))
        self.learned = nn.ModuleDict({n: o for n, (_, o) in self.objectives.items() if isinstance(o, nn.Module)})

    def forward(self, asks: Tensor, answers: Tensor, items: Tensor) -> Tensor:
        """The weighted sum, a scalar: ``asks`` [n, D] are answered by the ids ``answers`` [n] among ``items`` [I, D]."""
        own, rows = embedding(answers, items), torch.arange(len(asks), device=asks.device)
        main = Encoding(asks, items, parts={"support": Encoding(own, own)})
        every = None if self.negatives is None else torch.arange(len(items), device=items.device)
        batch: Batch[None] = Batch(None, rows, every, 0, query=rows, positive=answers, negative=self.negatives)
        terms = [weight * objective(main, (), batch) for weight, objective in self.objectives.values()]
        return torch.stack(terms).sum()
