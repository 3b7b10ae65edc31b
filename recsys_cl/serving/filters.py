"""What a business lets into its lists: some items only, some never, what was met again or not, a limit to a category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from recsys_cl.core.values import Ragged
from recsys_cl.ops.ragged import owners
from recsys_cl.serving.cap import Cap


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Items that may and may not be recommended; what is blocked stays blocked."""

    allowed: Tensor | None = None  # [A] items; None: all
    blocked: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))  # [B] items

    def refused(self, items: int) -> Tensor:
        """All it keeps out of a catalogue of so many ``items``."""
        if self.allowed is None:
            return self.blocked
        out = torch.ones(items, dtype=torch.bool)
        out[self.allowed] = False
        out[self.blocked] = True
        return out.nonzero().flatten()

    def narrowed(self, other: Choice) -> Choice:
        """What both of them let through."""
        lists = [torch.unique(each.allowed) for each in (self, other) if each.allowed is not None]
        items, times = torch.unique(torch.cat(lists), return_counts=True) if lists else (None, None)
        return Choice(None if items is None else items[times == len(lists)], torch.cat((self.blocked, other.blocked)))

    @property
    def open(self) -> bool:
        """Whether it keeps nothing out."""
        return self.allowed is None and not self.blocked.numel()


@dataclass(frozen=True, slots=True, eq=False)
class Filters:
    """The rules of one model's lists, as items of its vocabulary. An item is recommended where every rule allows it."""

    everyone: Choice = field(default_factory=Choice)
    personal: Mapping[str, Choice] = field(default_factory=dict)  # by user id
    exclude_seen: bool | None = None  # None: as the model was built
    cap: Cap | None = None

    def offered(self, items: int) -> Tensor | None:
        """The part of the catalogue that is offered at all [C], rising; None: all of it."""
        if self.everyone.open:
            return None
        kept = torch.ones(items, dtype=torch.bool)
        kept[self.everyone.refused(items)] = False
        return kept.nonzero().flatten()

    def for_users(self, ids: Sequence[str | None], items: int) -> Ragged | None:
        """What the rules of each of ``ids`` keep out beyond those for everyone; None where nobody has rules."""
        mine = [self.personal.get(each) if each is not None else None for each in ids] if self.personal else []
        if not any(mine):
            return None
        out = [torch.zeros(0, dtype=torch.int64) if choice is None else choice.refused(items) for choice in mine]
        return Ragged(torch.cat(out), torch.tensor([0, *(len(each) for each in out)]).cumsum(0))


NO_FILTERS = Filters()


def joined(one: Ragged, other: Ragged) -> Ragged:
    """The rows of both, one after the other."""
    rows = torch.cat((owners(one.lengths), owners(other.lengths)))
    return Ragged.group(rows, torch.cat((one.values, other.values)), len(one))


def within(rows: Ragged, offered: Tensor, items: int) -> Ragged:
    """``rows`` as places in ``offered``; what is not offered is left out."""
    place = torch.full((items,), -1)
    place[offered] = torch.arange(len(offered))
    found, owner = place[rows.values], owners(rows.lengths)
    there = found >= 0
    return Ragged.group(owner[there], found[there], len(rows))
