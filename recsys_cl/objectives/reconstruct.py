"""Decoders: an item's shared vector must tell what each modality was, those above all that were hidden from it.

Masked reconstruction over modalities (Bachmann et al., 2022, MultiMAE, arXiv:2204.01678), one affine decoder a modality.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding, ItemFeatures
from recsys_cl.objectives._pairing import part_of
from recsys_cl.ops.fresh import linear


class Reconstruct(nn.Module):
    """Mean over modalities of the squared error, a coordinate, with which the first view's content tells the modality.

    The view hides something (``modality_drop``, ``feature_mask``); what is to be told is the modality as it was prepared.
    Items of the batch that lack a modality are left out of it, as are those whose shared vector has nothing to tell from.

    Args:
        features: what is to be told.
        dim: length of the shared vector; the encoder's.
        part: the part of an encoding that is the shared vector, and whose own parts are the modalities.
        only_hidden: reconstruct only the modalities that the view took away, as masked autoencoders do.
    """

    views = 1

    def __init__(
        self,
        *,
        rng: Generator,
        features: ItemFeatures | None,
        dim: PositiveInt,
        part: str = "content",
        only_hidden: bool = False,
    ) -> None:
        super().__init__()
        if features is None:
            raise Refused("objectives: 'reconstruct' reads features of the items; declare them under [prepare.features]")
        features.need_vectors("objectives: 'reconstruct'")
        self.features, self.part, self.only_hidden = features, part, only_hidden
        self.reads_layers = (part,)
        self.names = tuple(name for name, _ in features)
        self.decoders = nn.ModuleList(linear(dim, modality.values.shape[1], rng) for _, modality in features)

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Mean loss of the batch's positive items; 0 where nothing can be told."""
        if batch.items is None:
            raise Refused("source: 'reconstruct' needs items of its own batch, not the whole catalogue")
        items = batch.items[: batch.positives]
        shared = part_of(views[0], self.part)
        losses = []
        for decoder, (name, modality) in zip(self.decoders, self.features, strict=True):
            asked = modality.present[items]
            if shared.present is not None:
                asked = asked & shared.present[: batch.positives]
            left = shared.parts[name].present
            if self.only_hidden and left is not None:
                asked = asked & ~left[: batch.positives]
            if asked.any():
                told = decoder(shared.items[: batch.positives][asked])
                losses.append(mse_loss(told, modality.values[items[asked]].to(told)))
        return torch.stack(losses).mean() if losses else main.items.sum() * 0
