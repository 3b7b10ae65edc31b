"""A taste is the mean of what was met, as content that training has learned to weigh: it begins as the content profile.

Rocchio's profile (Pazzani and Billsus, 2007, doi:10.1007/978-3-540-72079-9_10, section 10.4) with a learned metric: a weight
for each coordinate and a correction of low rank, which is 0 at first.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, ItemFeatures, Shape
from recsys_cl.encoders._content import keep, kept
from recsys_cl.encoders._items import normal
from recsys_cl.ops.lookback import running_sum
from recsys_cl.structures.sequences import Sequences, join


class LearnedProfile(nn.Module):
    """Items are ``w * c + B A c`` of their content ``c``, modalities side by side; a history is the mean of its items.

    No item has a vector of its own, so one that nobody met is what its content says. Features are kept with the weights.

    Args:
        features: of the items, vectors.
        rank: of the correction, the length of ``A c``.
        rng: initialisation of ``A``; ``w`` begins as ones and ``B`` as zeros.
    """

    def __init__(self, shape: Shape, rng: Generator, features: ItemFeatures | None, *, rank: PositiveInt = 64) -> None:
        super().__init__()
        if features is None:
            raise Refused("encoder: 'learned_profile' reads features of the items; declare them under [prepare.features]")
        features.need_vectors("encoder: 'learned_profile'")
        self.shape, self.names = shape, [name for name, _ in features]
        self.content = nn.Module()
        keep(self.content, features)
        self.dim = sum(modality.values.shape[1] for _, modality in features)
        self.weigh = nn.Parameter(torch.ones(self.dim))
        self.down = normal(self.dim, rank, spread=self.dim**-0.5, rng=rng)
        self.up = nn.Parameter(torch.zeros(rank, self.dim))

    def forward(self, sources: Sequence[Sequences], users: Tensor, items: Tensor | None = None) -> tuple[Encoding, ...]:  # noqa: ARG002
        """The mean of each history up to its readouts, [Q, D]; items that are unknown count as nothing."""
        source, content = join(sources), self._content()
        tokens, place = torch.unique(source.tokens, return_inverse=True)
        known = tokens < self.shape.items
        read = (self._weighed(content[tokens.clamp(max=self.shape.items - 1)]) * known[:, None])[place]
        total = running_sum(read, source.places, source.longest, 1.0)
        weight = running_sum(torch.ones_like(read[:, :1]), source.places, source.longest, 1.0)
        states = torch.split((total / weight)[source.readout], [each.readout.numel() for each in sources])
        answers = self._weighed(content if items is None else content[items])
        return tuple(Encoding(part, answers) for part in states)

    def by_content(self, features: ItemFeatures) -> Tensor:
        """Items [N, D] as what they are."""
        return self._weighed(_side_by_side(features))

    def _content(self) -> Tensor:
        return _side_by_side(kept(self.content, self.names))

    def _weighed(self, content: Tensor) -> Tensor:
        return content * self.weigh + content @ self.down @ self.up


def _side_by_side(features: ItemFeatures) -> Tensor:
    """Modalities [N, D], each of length 1 where it is there."""
    told = [normalize(modality.values, dim=-1) * modality.present[:, None] for _, modality in features]
    return told[0] if len(told) == 1 else torch.cat(told, -1)
