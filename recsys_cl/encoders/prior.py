"""Everybody is the same person until something is known of them: the start from which meta-learning adapts.

MeLU (Lee et al., 2019, arXiv:1908.00413) begins so, where nothing but interactions is known of a user.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, ItemFeatures, Shape
from recsys_cl.encoders._content import content_of, with_content
from recsys_cl.encoders._items import encodings
from recsys_cl.ops.fresh import normal
from recsys_cl.structures.sequences import Sequences


class Prior(nn.Module):
    """Matrix factorisation in which one vector stands for all users, whatever their histories.

    Args:
        dim: length of a vector.
        features: of the items.
        content: add what the features say to each item's vector.
        answers: what tasks ask for: ``items``, where users are tasks; ``users``, where items or categories are.
        rng: initialisation.
    """

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        dim: PositiveInt = 64,
        *,
        features: ItemFeatures | None = None,
        content: bool = False,
        answers: Literal["items", "users"] = "items",
    ) -> None:
        super().__init__()
        if content and answers == "users":
            raise Refused("encoder.content: it is the items', and this encoder's answers are users")
        self.dim, self.answering = dim, shape.items if answers == "items" else shape.users
        self.user = normal(dim, spread=dim**-0.5, rng=rng)
        self.items = normal(self.answering, dim, spread=dim**-0.5, rng=rng)
        self.content = content_of(features, dim, rng, wanted=content)

    def forward(self, sources: Sequence[Sequences], users: Tensor, items: Tensor | None = None) -> tuple[Encoding, ...]:  # noqa: ARG002
        """The prior for every readout, [Q, D]; item rows are the same for all sources."""
        readouts = sum(source.readout.numel() for source in sources)
        return encodings(self.user.repeat(readouts, 1), sources, with_content(self.items, self.content), items)
