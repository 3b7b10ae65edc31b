"""Which items are ranked: a part of the catalogue in which everything counts anew, as if there were no other items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Interactions, Ragged, Shape
from recsys_cl.evaluation.segments import Division
from recsys_cl.ops.csr import csr, is_sparse


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The items that may be recommended; in a ranking of candidates an item's number is its place among them.

    What was held out of other items, or of items outside the vocabulary, which are nobody's candidates, is left out.
    """

    items: Tensor  # [C] item ids, rising
    catalogue: int  # items of the vocabulary
    told: str  # which these are, such as "domain = video"

    @property
    def places(self) -> Tensor:
        """The place of each item of the vocabulary, and of what is outside it, among the candidates, [I + 1]; -1: none."""
        found = torch.full((self.catalogue + 1,), -1, device=self.items.device)
        found[self.items] = torch.arange(len(self.items), device=self.items.device)
        return found

    def to(self, device: torch.device) -> Candidates:
        """The same on another device."""
        return Candidates(self.items.to(device), self.catalogue, self.told)

    def among(self, interactions: Interactions) -> Interactions:
        """The interactions with candidates, in their numbers."""
        items = self.places[interactions.items]
        kept = items >= 0
        shape = Shape(interactions.shape.users, len(self.items))
        return Interactions(shape, interactions.users[kept], items[kept], interactions.times[kept])

    def of(self, encoding: Encoding) -> Encoding:
        """The same users against the candidates alone."""
        if not is_sparse(encoding.items):
            return Encoding(encoding.users, encoding.items.index_select(0, self.items))
        by_column = encoding.items.transpose(0, 1)  # sparse items are stored by column
        columns = self.places[by_column.col_indices()]
        kept = columns >= 0
        passed = torch.cat((kept.new_zeros(1, dtype=torch.int64), kept.cumsum(0)))
        chosen = csr(passed[by_column.crow_indices()], columns[kept], by_column.values()[kept], len(self.items))
        return Encoding(encoding.users, chosen.transpose(0, 1))

    def rows(self, categories: Ragged | None) -> Ragged | None:
        """The rows of the candidates, of what is known of all items."""
        if categories is None:
            return None
        owner = self.places[:-1].repeat_interleave(categories.lengths)
        return Ragged.group(owner[owner >= 0], categories.values[owner >= 0], len(self.items))

    def divide(self, division: Division) -> Division:
        """A division of all items, and of what is outside the vocabulary, for the candidates."""
        kept = torch.cat((self.items, self.items.new_tensor([self.catalogue]))).to(division.of.device)
        return Division(division.by, division.labels, division.of[kept])


def candidates_of(found: Tensor | None, catalogue: int, asked: Mapping[str, str]) -> Candidates | None:
    """The candidates, where only the items with ids ``found`` [C], rising, have what was ``asked``; None: all are.

    Raises:
        Refused: there are none.
    """
    if found is None:
        return None
    told = ", ".join(f"{column} = {value}" for column, value in asked.items())
    if not len(found):
        raise Refused(f"evaluation.candidates: no item of the vocabulary has {told}")
    return Candidates(found, catalogue, told)
