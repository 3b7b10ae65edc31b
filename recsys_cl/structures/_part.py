"""Some of the rows of histories, for one of several processes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from recsys_cl.structures.sequences import Sequences


def part_of(source: Sequences, index: int, count: int) -> tuple[Sequences, list[int]] | None:
    """Part ``index`` of ``count`` even parts of the rows, and where each part's readouts begin, and the end, [count + 1].

    Readouts go by row. None where there are fewer rows than parts.
    """
    rows = len(source.offsets) - 1
    if rows < count:
        return None
    bounds = [rows * part // count for part in range(count + 1)]
    first, last = bounds[index], bounds[index + 1]
    readouts = torch.searchsorted(source.readout, source.offsets[bounds]).tolist()
    begin, end = int(source.offsets[first]), int(source.offsets[last])
    part = replace(
        source,
        tokens=source.tokens[begin:end],
        offsets=source.offsets[first : last + 1] - begin,
        readout=source.readout[readouts[index] : readouts[index + 1]] - begin,
        users=None if source.users is None else source.users[first:last],
        times=None if source.times is None else source.times[begin:end],
    )
    return part, readouts
