"""Users become strangers to a domain: practice for those who are new to it, as CDRIB's test users are.

Cao et al., 2022, CDRIB, ICDE, arXiv:2203.01481, where shared users are predicted from the other domain alone.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Generator

from recsys_cl.structures.domains import Domains
from recsys_cl.views._drop import Rate, checked, survivors


class DomainDrop:
    """Each domain forgets each of its users with probability ``rate`` in [0, 1), independently of all others.

    Args:
        rate: how often.
        shared: only users whom another domain knows too are forgotten.
    """

    def __init__(self, rate: Rate, *, shared: bool = False) -> None:
        self._rate, self._shared = checked(rate), shared

    def __call__(self, source: Domains, rng: Generator) -> Domains:
        """``source`` with fewer users seen; its edges stay, since nobody reads a user's other domain along them."""
        kept = survivors(source.seen.numel(), self._rate, rng, source.seen.device).view_as(source.seen)
        if self._shared:
            kept = kept | (source.seen.sum(0) < 2)
        return replace(source, seen=source.seen & kept)
