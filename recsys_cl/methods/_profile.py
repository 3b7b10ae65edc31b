"""What is known of somebody beside what they met, as a vector: MeLU's user content (Lee et al., 2019, arXiv:1908.00413)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import ItemFeatures, Modality


class Profile(nn.Module):
    """A linear map a modality of the users, and their sum; 0 where nothing is known, and an absent one changes nothing.

    Nothing of any user is in its weights, and their shapes say what it was made for.

    Raises:
        Refused: a modality is words or pixels.
    """

    def __init__(self, people: ItemFeatures, dim: int, rng: Generator) -> None:
        super().__init__()
        for name, modality in people:
            if modality.shape:
                raise Refused(f"method.about: reads vectors of users, and '{name}' is words or pixels")
        widths = [modality.values.shape[1] for _, modality in people]
        drawn = [torch.empty(width, dim).normal_(std=(dim * width) ** -0.5, generator=rng) for width in widths]
        self.maps = nn.ParameterList(drawn)

    def forward(self, people: ItemFeatures) -> Tensor:
        """Vectors [T, D] of T people; modalities stand in the order of their names."""
        told = [modality.values.to(each) @ each * modality.present[:, None] for (_, modality), each in self._pairs(people)]
        return torch.stack(told).sum(0)

    def _pairs(self, people: ItemFeatures) -> list[tuple[tuple[str, Modality], Tensor]]:
        return list(zip(people, self.maps, strict=True))


def profiles(profile: Profile | None, people: ItemFeatures | None, count: int, like: Tensor) -> Tensor:
    """Of ``count`` people what is known of them, [T, D], in the kind of ``like``; 0 where nothing is."""
    if profile is None or people is None:
        return like.new_zeros(count, like.shape[1])
    said: Tensor = profile(people)
    return said


def kept_people(weights: Mapping[str, Tensor]) -> ItemFeatures | None:
    """Somebody of whom nothing is known, in the modalities that a model's `Profile` was made for; None: it has none."""
    maps = {name.rpartition(".")[2].zfill(3): each for name, each in weights.items() if name.startswith("profile.maps.")}
    nobody = torch.zeros(1, dtype=torch.bool)
    return ItemFeatures({name: Modality(torch.zeros(1, len(each)), nobody) for name, each in maps.items()}) if maps else None
