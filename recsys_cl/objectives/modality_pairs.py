"""Every pair of modalities set opposite each other, item by item: what an item looks like is what it sounds like.

Radford et al., 2021, CLIP, arXiv:2103.00020, for images and texts; here for as many modalities as there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Generator, Tensor, nn

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Objective
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, Shape
from recsys_cl.objectives._pairing import modalities_of


class ModalityPairs(nn.Module):
    """Another objective between the main encoding and one view, given two modalities in their place; mean over pairs.

    An item that lacks one of the two is left out of that pair. With one modality there is no pair, and nothing to learn.

    Args:
        of: the objective: ``info_nce`` with ``sides = "items"`` and ``between = "main"``.
        part: the part of the encoder's encodings whose own parts are the modalities.

    Relations: ``info_nce`` with ``layer = "content"`` and ``base = "id"`` sets behaviour opposite to content.
    """

    views = 0

    def __init__(
        self, *, shape: Shape, interactions: Interactions, rng: Generator, of: Component, part: str = "content"
    ) -> None:
        super().__init__()
        self.of: Objective = build("objectives", of, "objectives.of", shape=shape, interactions=interactions, rng=rng)
        if self.of.views != 1:
            raise Refused(f"objectives.of: '{of.use}' must read one view (between = 'main'), it reads {self.of.views}")
        if of.arguments.get("sides") != "items":
            raise Refused(f"objectives.of: modalities have items alone; '{of.use}' must say, and take, sides = 'items'")
        self.part = part
        self.reads_layers = (part,)

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean of the pairs' losses."""
        modalities = modalities_of(main, self.part)
        pairs = list(combinations(sorted(modalities), 2))
        losses = [self.of(modalities[one], [modalities[other]], batch) for one, other in pairs]
        return torch.stack(losses).mean() if losses else main.items.sum() * 0
