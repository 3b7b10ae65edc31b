"""Several sources of histories as one, so that an encoder reads all of them in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recsys_cl.ops.ragged import offsets_of

if TYPE_CHECKING:
    from recsys_cl.structures.sequences import Sequences


def join(sources: Sequence[Sequences]) -> Sequences:
    """All rows and readouts of ``sources`` as one value, in order; users and times where every source has them."""
    if len(sources) == 1:
        return sources[0]
    starts = offsets_of(sources[0].offsets.new_tensor([source.tokens.numel() for source in sources]))
    return replace(
        sources[0],
        tokens=torch.cat([source.tokens for source in sources]),
        offsets=torch.cat([*(s.offsets[:-1] + start for s, start in zip(sources, starts, strict=False)), starts[-1:]]),
        readout=torch.cat([s.readout + start for s, start in zip(sources, starts, strict=False)]),
        longest=max(source.longest for source in sources),
        users=_all([source.users for source in sources]),
        times=_all([source.times for source in sources]),
    )


def _all(parts: Sequence[Tensor | None]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present) if len(present) == len(parts) else None
