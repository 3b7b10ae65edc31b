"""Coordinates of the items' features are hidden. Yao et al., 2021, arXiv:2007.12865 (feature masking of item towers)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator

from recsys_cl.core.values import ItemFeatures, Modality
from recsys_cl.ops.dropout import InputDropout
from recsys_cl.structures.modal import Modal
from recsys_cl.views._drop import Rate, checked


class FeatureMask:
    """Zeroes each coordinate of each item's vectors with probability ``rate`` in [0, 1) and scales the others.

    Of a modality that is words, each is hidden with that probability.
    Relations: ``modality_drop`` hides whole vectors and says so; here the encoder is not told what is hidden.
    """

    def __init__(self, rate: Rate) -> None:
        self._rate = checked(rate)

    def __call__(self, source: Modal, rng: Generator) -> Modal:
        """``source`` with features of which a part is zero."""
        return replace(source, features=ItemFeatures({name: self._hidden(modality, rng) for name, modality in source.features}))

    def _hidden(self, modality: Modality, rng: Generator) -> Modality:
        seed = int(torch.randint(2**62, (), generator=rng, device=rng.device))
        kept = InputDropout(self._rate, seed).mask(modality.values)
        return replace(modality, values=modality.values * (kept > 0 if modality.words else kept))
