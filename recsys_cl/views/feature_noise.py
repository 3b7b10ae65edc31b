"""The items' features move a little: noise in a random direction, as long as a share of the vector itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator
from torch.nn.functional import normalize

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import ItemFeatures, Modality
from recsys_cl.structures.modal import Modal


class FeatureNoise:
    """``f + eps |f| r`` with ``r`` uniform on the unit sphere, for each modality of each item; ``eps`` >= 0; words stay.

    Relations: ``layer_noise`` moves what propagation makes of the tables; this moves what comes in.
    """

    def __init__(self, eps: Annotated[float, Field(ge=0, allow_inf_nan=False)]) -> None:
        if not 0 <= eps < float("inf"):
            raise Refused(f"eps must be finite and not negative, got {eps}")
        self._eps = eps

    def __call__(self, source: Modal, rng: Generator) -> Modal:
        """``source`` with other features near its own."""
        return replace(source, features=ItemFeatures({name: self._moved(modality, rng) for name, modality in source.features}))

    def _moved(self, modality: Modality, rng: Generator) -> Modality:
        if modality.words:
            return modality
        values = modality.values
        drawn = torch.randn(values.shape, generator=rng, device=rng.device).to(values)
        return replace(modality, values=values + self._eps * values.norm(dim=-1, keepdim=True) * normalize(drawn, dim=-1))
