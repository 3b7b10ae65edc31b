"""How far apart two times are, in few words: a bucket for each power of two of seconds."""

from __future__ import annotations

import torch
from torch import Tensor

BUCKETS = 32
"""Bucket 0: less than a second, or not known; bucket b: from 2^(b-1) seconds on, below 2^b; the last has no end."""

_SECOND = 1_000_000


def buckets(times: Tensor, others: Tensor) -> Tensor:
    """The bucket of the time between ``times`` and ``others``, int64 microseconds each, whichever is later; int64."""
    seconds = (times - others).abs() // _SECOND
    # of a whole number below 2^53, frexp's exponent is exactly its number of bits
    return torch.frexp(seconds.double()).exponent.long().clamp(max=BUCKETS - 1)
