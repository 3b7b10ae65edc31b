"""Each modality points to the item, and to itself after dropout, without negatives: BM3 (Zhou et al., arXiv:2207.05969)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._pairing import modalities_of


class ModalityAgreement:
    """``2 - cos(q(e_m), i') - cos(q(e_m), e'_m)``, mean over the batch's positive items, summed over modalities (eqs. 11, 12).

    ``q(e_m)`` is the main encoding's modality; ``i'`` and ``e'_m`` are the first view's item and modality, the target's in the
    method ``bootstrap``, which pass no gradient. An item that lacks a modality is left out of it.

    Args:
        part: the part of an encoding whose own parts are the modalities.
    """

    views = 1

    def __init__(self, *, part: str = "content") -> None:
        self.part = part
        self.reads_layers = (part,)

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Sum over modalities, each between 0 and 4."""
        modalities, targets = modalities_of(main, self.part), modalities_of(views[0], self.part)
        items, count = views[0].items, batch.positives
        losses = []
        for name in sorted(modalities):
            asked, present = modalities[name].items[:count], modalities[name].present
            aligned = cosine_similarity(asked, items[:count]) + cosine_similarity(asked, targets[name].items[:count])
            aligned = aligned if present is None else aligned[present[:count]]
            if len(aligned):
                losses.append((2 - aligned).mean())
        return torch.stack(losses).sum() if losses else main.items.sum() * 0
