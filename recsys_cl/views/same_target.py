"""Instead of each history another one that was followed by the same item (DuoRec: Qiu et al., 2022, arXiv:2110.05730)."""

from __future__ import annotations

from dataclasses import replace

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor

from recsys_cl.core.values import Interactions, Ragged
from recsys_cl.ops.ragged import owners, spans, uniform
from recsys_cl.structures.sequences import Sequences


class SameTarget:
    """Draw, for each user, one of all the other places in the training interactions where the user's last item comes next.

    The histories up to all such places are equally likely, and their newest ``max_length`` items are taken. Whose last item
    nobody else has met, and who is nobody known, keep their own history.
    """

    def __init__(self, interactions: Interactions, max_length: PositiveInt = 50) -> None:
        self.max_length = max_length
        self.histories = interactions.by_user()
        self.times = Ragged.group(interactions.users, interactions.times, interactions.shape.users).values
        values, lengths = self.histories.values, self.histories.lengths
        self.begins = self.histories.offsets[:-1][owners(lengths)]  # [N] where the history around each place begins
        ends = (torch.arange(values.numel(), device=values.device) > self.begins).nonzero().flatten()
        self.ends = Ragged.group(values[ends], ends, interactions.shape.items)  # places with a history before, by item
        self.rank = torch.zeros_like(values)  # of each place among those of its item
        inside = torch.arange(ends.numel(), device=values.device) - self.ends.offsets[values[self.ends.values]]
        self.rank[self.ends.values] = inside

    def __call__(self, source: Sequences, rng: Generator) -> Sequences:
        """Other histories in the place of these, read out at the last position; whose they stand for stays."""
        if source.users is None or not self.ends.values.numel():
            return source.at_the_end()
        end, drawn = self._drawn(source.users, rng)
        lengths = torch.where(drawn, (end - self.begins[end]).clamp(max=self.max_length), source.lengths)
        at = spans(torch.where(drawn, end - lengths, source.offsets[:-1]), lengths)
        other = drawn[owners(lengths, at.numel())]
        made = source.picked(at.where(~other, 0), lengths)
        tokens = torch.where(other, self.histories.values[at.where(other, 0)], made.tokens)
        times = None if made.times is None else torch.where(other, self.times[at.where(other, 0)], made.times)
        return replace(made, tokens=tokens, times=times, longest=int(lengths.max()))

    def _drawn(self, users: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
        """A place for each of ``users`` [R], and where there is one, [R] bool."""
        last = (self.histories.offsets[users + 1] - 1).clamp(min=0)
        places = self.ends.offsets[self.histories.values[last]]
        others = self.ends.lengths[self.histories.values[last]] - 1  # but the user's own
        known = (self.histories.lengths[users] > 1) & (others > 0)
        draw = (uniform(users.numel(), rng, users.device) * others.clamp(min=1)).long()
        draw = draw + (draw >= self.rank[last])
        at = (places + draw).clamp(max=self.ends.values.numel() - 1)
        return self.ends.values[at], known
