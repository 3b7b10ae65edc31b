"""Items lose whole modalities: a view for contrast, and practice for items that have less than others.

Yi et al., 2022, MMGCL, doi:10.1145/3477495.3532027, section 3.2 (modality masking).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Generator

from recsys_cl.core.values import ItemFeatures, Modality
from recsys_cl.structures.modal import Modal
from recsys_cl.views._drop import Rate, checked, survivors


class ModalityDrop:
    """Each modality of each item is missing with probability ``rate`` in [0, 1), independently of all others."""

    def __init__(self, rate: Rate) -> None:
        self._rate = checked(rate)

    def __call__(self, source: Modal, rng: Generator) -> Modal:
        """``source`` with fewer modalities present."""
        return replace(source, features=ItemFeatures({name: self._fewer(modality, rng) for name, modality in source.features}))

    def _fewer(self, modality: Modality, rng: Generator) -> Modality:
        present = modality.present
        return replace(modality, present=present & survivors(len(present), self._rate, rng, present.device))
