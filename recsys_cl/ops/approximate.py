"""Scores of a block of users made fast, with a bound on how far each of them is off: what must be scored exactly follows.

An approximation fills a block with scores and says, given a score that k items of a user reach, which score every item of
the user's exact best k reaches (`least`). Half precision is several times faster where the processor multiplies it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from recsys_cl.ops.csr import is_sparse
from recsys_cl.ops.score import score

_UNIT = 2.0**-9  # the greatest relative error of rounding to bfloat16
_TINY = 2.0**-100  # far above what is lost where numbers too small for bfloat16's exponent are taken for 0
_FLOAT32 = {"highest": 2.0**-22, "high": 2.0**-9, "medium": 2.0**-7}
"""Four times the greatest error of a product of two fp32 numbers, by `torch.get_float32_matmul_precision`."""

_TERMS = 2**15  # products that are added at once: more fall out of the processor's caches
_ROWS = 4096  # of items that are measured at once
_NOBODY = torch.iinfo(torch.int16).max  # above every score


class Approximation(Protocol):
    """Scores of the users [U, D] among the items [I, D] it was made of; a block has B users and C >= I columns."""

    dtype: ClassVar[torch.dtype]

    @property
    def bytes_kept(self) -> int:
        """For all blocks, beside the vectors given."""

    def fill(self, block: slice, out: Tensor) -> None:
        """Write the scores of ``block`` into ``out`` [B, C]; columns from I on never count."""

    def order(self, scores: Tensor) -> Tensor:
        """``scores`` in the same memory as numbers in the same order, as far as they exceed `least`."""

    def least(self, block: slice, reached: Tensor) -> Tensor:
        """What the exact best k of a user reach in `order`, [B], where k items reach ``reached`` [B]; above all: undecided."""

    def exact(self, block: slice, rows: Tensor, items: Tensor, scores: Tensor) -> Tensor:
        """Scores [P] in fp32 of the pairs of a row of ``block`` and an item; ``scores`` [B, C] is what `fill` wrote."""


def half_precision_pays(users: Tensor, items: Tensor, budget: int) -> bool:
    """Whether rounding all ``items`` [I, D] once and multiplying in bfloat16 is faster for so many ``users`` [U, D].

    The rounded items may take half of ``budget`` bytes, so that blocks stay high enough.
    """
    enough = len(users) >= 64 and len(items) >= 1024 and 4 * items.shape[0] * items.shape[1] <= budget
    return enough and users.device.type == "cpu" and not is_sparse(users) and not is_sparse(items) and _native()


def _native() -> bool:
    known: Callable[[], dict[str, object]] | None = getattr(torch.cpu, "get_capabilities", None)
    return known is not None and bool({"amx_bf16", "avx512_bf16"} & {name for name, has in known().items() if has})


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """Products in bfloat16 of vectors whose own rounding errors are known.

    With u, i and their roundings u', i': ``|u.i - u'.i'| <= |u - u'| |i| + |u'| |i - i'|`` (Cauchy-Schwarz), what adding up in
    fp32 loses is far less, and the result is rounded once more. Only positive scores are decided: as integers, the bits
    of positive floats have their order, and those of negative ones are negative.
    """

    users: Tensor  # [U, D] fp32
    items: Tensor  # [I, D] fp32
    rounded: Tensor  # [C, D] bfloat16, zero from I on
    longest: float  # the greatest length of an item
    off: float  # the greatest length of what an item lost to rounding
    bytes_kept: int
    dtype: ClassVar[torch.dtype] = torch.bfloat16

    @classmethod
    def of(cls, users: Tensor, items: Tensor, columns: int) -> Halves:
        """Round all ``items``, for blocks of ``columns``."""
        rounded = pad(items.bfloat16(), (0, 0, 0, columns - len(items)))
        off = longest = 0.0
        for some, less in zip(torch.split(items, _ROWS), torch.split(rounded[: len(items)], _ROWS), strict=True):
            longest = max(longest, float(some.norm(dim=1).max()))
            off = max(off, float((some - less.float()).norm(dim=1).max()))
        return cls(users, items, rounded, longest, off, 2 * rounded.numel())

    def fill(self, block: slice, out: Tensor) -> None:
        """See `Approximation`."""
        torch.mm(self.users[block].bfloat16(), self.rounded.T, out=out)

    def order(self, scores: Tensor) -> Tensor:
        """See `Approximation`."""
        return scores.view(torch.int16)

    def least(self, block: slice, reached: Tensor) -> Tensor:
        """See `Approximation`: what is reached, less the error of those k and of the one that stands against them."""
        users = self.users[block]
        less = users.bfloat16().float()
        length = users.norm(dim=1)
        error = (users - less).norm(dim=1) * self.longest + less.norm(dim=1) * self.off
        error += users.shape[1] * _FLOAT32["highest"] * length * self.longest + _TINY * (1 + length + self.longest)
        score = reached.view(torch.bfloat16).float()
        lowest = (score * (1 - _UNIT) - 2 * error) * (1 - 2 * _UNIT)
        cut = (lowest.view(torch.int32) >> 16).to(torch.int16)  # towards zero, so never above
        return torch.where(lowest.isfinite() & (cut > 0), cut, _NOBODY)  # a negative number's cut is negative

    def exact(self, block: slice, rows: Tensor, items: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - a slot of the protocol
        """See `Approximation`."""
        return exactly(self.users[block], self.items, rows, items)


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """Products in fp32, or in whatever `torch.get_float32_matmul_precision` allows in its place."""

    users: Tensor  # [U, D]
    items: Tensor  # [I, D]
    longest: float
    bytes_kept: int = 0
    dtype: ClassVar[torch.dtype] = torch.float32

    @classmethod
    def of(cls, users: Tensor, items: Tensor) -> Plain:
        """Measure the longest of ``items``."""
        longest = max((float(some.norm(dim=1).max()) for some in torch.split(items, _ROWS) if len(some)), default=0.0)
        return cls(users, items, longest)

    def fill(self, block: slice, out: Tensor) -> None:
        """See `Approximation`."""
        torch.mm(self.users[block], self.items.T, out=out[:, : len(self.items)])

    def order(self, scores: Tensor) -> Tensor:
        """See `Approximation`."""
        return scores

    def least(self, block: slice, reached: Tensor) -> Tensor:
        """See `Approximation`: all items that may be recommended, where fewer than k may."""
        users = self.users[block]
        unit = users.shape[1] * _FLOAT32[torch.get_float32_matmul_precision()]
        error: Tensor = unit * self.longest * users.norm(dim=1)
        least: Tensor = (reached - error).clamp(min=torch.finfo(torch.float32).min)
        return least

    def exact(self, block: slice, rows: Tensor, items: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - a slot of the protocol
        """See `Approximation`."""
        return exactly(self.users[block], self.items, rows, items)


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """Scores of sparse vectors, which are exact at once: their terms are added in one order whoever asks."""

    users: Tensor  # [U, D] CSR
    items: Tensor  # [I, D] dense or CSC
    bytes_kept: int = 0
    dtype: ClassVar[torch.dtype] = torch.float32

    def fill(self, block: slice, out: Tensor) -> None:
        """See `Approximation`."""
        score(self.users, self.items, block, out[:, : self.items.shape[0]])

    def order(self, scores: Tensor) -> Tensor:
        """See `Approximation`."""
        return scores

    def least(self, block: slice, reached: Tensor) -> Tensor:  # noqa: ARG002 - a slot of the protocol
        """See `Approximation`."""
        return reached.clamp(min=torch.finfo(torch.float32).min)

    def exact(self, block: slice, rows: Tensor, items: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - a slot of the protocol
        """See `Approximation`."""
        return scores[rows, items]


def exactly(users: Tensor, items: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Dot products [P] of ``users[rows]`` and ``items[columns]``, added in fp64 and rounded to fp32 once."""
    at_once = max(1, _TERMS // max(1, users.shape[1]))
    wide = users.double()
    parts = [
        items.index_select(0, some).double().mul_(wide.index_select(0, of)).sum(-1).float()
        for of, some in zip(torch.split(rows, at_once), torch.split(columns, at_once), strict=True)
    ]
    return torch.cat(parts) if parts else users.new_empty(0)
