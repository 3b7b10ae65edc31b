"""The family of methods that learn nothing: a source without content, a feed without batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Generator, Tensor

from recsys_cl.core.values import Batch, Interactions


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """Nothing to read: encoders of this family know all they need from their construction."""


class PlainFeed:
    """No training; all users are served at once."""

    reads_histories = False

    def __init__(self, interactions: Interactions) -> None:
        self.shape = interactions.shape
        self.steps = 0

    def training(self, rng: Generator) -> Iterator[Batch[Plain]]:  # noqa: ARG002 - the protocol passes it
        """No batches."""
        return iter(())

    def inference(self, users: Tensor) -> Iterator[tuple[Plain, Tensor]]:
        """One empty source for all ``users`` [U]."""
        yield Plain(), users
