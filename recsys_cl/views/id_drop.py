"""Items forget who they are and must be known by their content: practice for items that nobody has met yet.

Volkovs et al., 2017, DropoutNet; Wei et al., 2021, CLCRec, arXiv:2107.05315, section 3.4 (the hybrid positive).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Generator

from recsys_cl.structures.modal import Modal
from recsys_cl.views._drop import Rate, checked, survivors


class IdDrop:
    """Each item with content goes without a vector of its own with probability ``rate`` in [0, 1)."""

    def __init__(self, rate: Rate) -> None:
        self._rate = checked(rate)

    def __call__(self, source: Modal, rng: Generator) -> Modal:
        """``source`` with fewer items that have a vector of their own."""
        stays = survivors(len(source.own), self._rate, rng, source.own.device) | ~source.features.known
        return replace(source, own=source.own & stays)
