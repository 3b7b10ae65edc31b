"""Users in batches of like length: an encoder pads little, on Beauty a quarter of its places instead of 88 % of them."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

POOL = 16
"""Batches whose users are sorted by length together: enough to leave little padding, few enough to mix users each epoch."""


def bucketed(users: Tensor, lengths: Tensor, batch_size: int, longest: int, rng: Generator) -> list[Tensor]:
    """``users`` [U] shuffled, sorted by length inside pools, cut into batches, and the batches shuffled; on the host.

    Args:
        users: who is to be dealt out, each once.
        lengths: of every user of the vocabulary.
        batch_size: users of a batch; the last of a pool may be smaller.
        longest: lengths beyond are as good as this one.
        rng: of both shuffles.
    """
    users = users[_shuffled(users.numel(), rng)]
    pool = torch.arange(users.numel()) // (POOL * batch_size)
    key = pool * (longest + 1) + lengths[users].clamp(max=longest)
    batches = torch.split(users[torch.argsort(key, stable=True)], batch_size)
    return [batches[index] for index in _shuffled(len(batches), rng).tolist()]


def _shuffled(count: int, rng: Generator) -> Tensor:
    """A random order of ``count`` things, on the host."""
    return torch.randperm(count, generator=rng, device=rng.device).cpu()
