"""The item table that reads histories and answers them, and how its encoders begin and end."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from recsys_cl.core.values import Encoding
from recsys_cl.structures.sequences import Sequences


def read(items: Tensor, unknown: Tensor, source: Sequences) -> Tensor:
    """The vector of each token, [N, D]: its row of ``items`` [I, D], or ``unknown`` [D] where it is hidden or unknown."""
    hidden = source.tokens == source.shape.items
    known = F.embedding(source.tokens.masked_fill(hidden, 0), items)
    return torch.where(hidden[:, None], unknown, known)


def encodings(states: Tensor, sources: Sequence[Sequences], table: Tensor, items: Tensor | None) -> tuple[Encoding, ...]:
    """The states of all readouts [Q, D] dealt out to their sources; the item rows are the same for all."""
    parts = torch.split(states, [source.readout.numel() for source in sources])
    answers = table if items is None else F.embedding(items, table)
    return tuple(Encoding(part, answers) for part in parts)
