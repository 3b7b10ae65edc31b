"""Processes that run one command in step: which of them this is, what it takes, and what they tell each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.distributed as dist
from torch import Tensor

from recsys_cl.core.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Ranks:
    """One process among ``size`` that all make the same calls in the same order; alone, nothing is ever waited for."""

    rank: int = 0
    size: int = 1

    @property
    def alone(self) -> bool:
        """There is nobody else."""
        return self.size == 1

    @property
    def leads(self) -> bool:
        """This is the process that writes and prints."""
        return self.rank == 0

    def bounds(self, count: int) -> list[int]:
        """Where the shares of ``count`` things begin and end, [size + 1]; they differ by one at most."""
        return [count * rank // self.size for rank in range(self.size + 1)]

    def share(self, count: int) -> slice:
        """This process's share of ``count`` things; empty where there are fewer than processes."""
        bounds = self.bounds(count)
        return slice(bounds[self.rank], bounds[self.rank + 1])

    def gather(self, part: Tensor, bounds: Sequence[int]) -> Tensor:
        """Every process's rows, one below the other: those of rank ``r`` are ``bounds[r] : bounds[r + 1]`` of the result.

        Args:
            part: this process's rows.
            bounds: the same in all processes.
        """
        if self.alone:
            return part
        counts = [end - begin for begin, end in pairwise(bounds)]
        widest, kind = max(counts), part.dtype
        own = part.contiguous().view(torch.uint8) if kind is torch.bool else part.contiguous()
        if len(own) < widest:  # collectives want equal parts
            own = torch.cat((own, own.new_zeros((widest - len(own), *own.shape[1:]))))
        found = own.new_empty((self.size * widest, *own.shape[1:]))
        with self._heard():
            _all_gather(found, own)
        if any(count < widest for count in counts):
            parts = torch.split(found, widest)
            found = torch.cat([rows[:count] for rows, count in zip(parts, counts, strict=True)])
        return found.view(torch.bool) if kind is torch.bool else found

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, the same bytes in each; ``values`` is left alone."""
        if self.alone:
            return values
        found = values.detach().clone(memory_format=torch.contiguous_format)
        with self._heard():
            dist.all_reduce(found)
        return found

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes, the same bytes in each; ``values`` is left alone."""
        return values if self.alone else self.total(values).div_(self.size)

    def tell(self, content: bytes) -> bytes:
        """What rank 0 says; the ``content`` of the others is not looked at."""
        if self.alone:
            return content
        length = torch.tensor([len(content)])
        with self._heard():
            dist.broadcast(length, 0)
            told = torch.empty(int(length), dtype=torch.uint8)
            if self.leads and content:
                told.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
            dist.broadcast(told, 0)
        return told.numpy().tobytes()

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """A process that died closes its connections, one that hangs runs into the timeout: both end here."""
        try:
            yield
        except RuntimeError as error:
            why = str(error).strip().splitlines()[0].removesuffix(".")
            raise Unavailable(
                f"rank {self.rank} of {self.size} does not hear the others any more: one has died or hangs ({why}). "
                "The same command goes on from the last checkpoint"
            ) from error


ALONE = Ranks()

# The older name is deprecated where the newer one exists.
_all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
