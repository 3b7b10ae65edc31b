"""A question's own budget of steps: the model adapts to a history by no more, and says how many it took."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import ItemFeatures, Ragged
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.question import valid_steps
from recsys_cl.serving.reader import ByEncoder, Read


def within(bundle: Bundle, steps: object) -> Bundle:
    """``bundle``, which adapts by at most ``steps`` steps, or by its own number where that is less. 0: by none.

    Raises:
        Refused: ``steps`` is no such number, or the model adapts to nobody.
    """
    budget, reader = valid_steps(steps), bundle.reader
    if not isinstance(reader, ByEncoder) or not reader.adapts:
        raise Refused("steps: this model adapts to nobody, so there is no budget to keep within")
    return replace(bundle, reader=Within(reader, budget))


@dataclass(frozen=True, slots=True, eq=False)
class Within:
    """Reads histories as ``reader`` does, by at most ``steps`` steps."""

    reader: ByEncoder
    steps: int

    @property
    def adapts(self) -> bool:
        """Yes, if by no step."""
        return True

    @property
    def folds(self) -> bool:
        """No: it is the encoder itself that adapts."""
        return self.reader.folds

    def knows(self, histories: Ragged) -> Tensor:
        """See `Reader`."""
        return self.reader.knows(histories)

    def read(self, histories: Ragged) -> Read:
        """See `Reader`."""
        return self.reader.read(histories, self.steps)

    def vectors(self, histories: Ragged, about: ItemFeatures | None = None) -> Tensor:
        """See `Reader`."""
        return self.reader.read(histories, self.steps, about).vectors

    def state(self) -> dict[str, Tensor]:
        """That of the reader; a budget is a question's and is not kept."""
        return self.reader.state()
