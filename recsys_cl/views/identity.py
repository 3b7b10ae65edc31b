"""The histories as they are: what differs between two such views is dropout (DuoRec: Qiu et al., 2022, arXiv:2110.05730)."""

from __future__ import annotations

from torch import Generator

from recsys_cl.structures.sequences import Sequences


class Identity:
    """Nothing changes but where the histories are read out: at their last position."""

    def __call__(self, source: Sequences, rng: Generator) -> Sequences:  # noqa: ARG002
        """The same histories."""
        return source.at_the_end()
