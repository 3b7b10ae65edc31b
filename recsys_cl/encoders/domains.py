"""LightGCN in every domain, and what each of them can say of people whom it does not know.

LightGCN is He et al., 2020, arXiv:2002.02126; a map between the domains' vectors is EMCDR's (Man et al., 2017, IJCAI).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, Interactions, ItemFeatures, Shape
from recsys_cl.encoders._crossing import Crossing, Fitted, Kind
from recsys_cl.encoders._spread import Spread
from recsys_cl.encoders._table import Init, Layers, refuse_beyond_memory, table
from recsys_cl.ops.flow import Request
from recsys_cl.ops.layers import layered
from recsys_cl.structures._numbers import item_numbers, user_numbers
from recsys_cl.structures.domains import Domains


class _States(NamedTuple):
    """What the domains know by themselves of some users and items."""

    users: Tensor  # [D, Q, K], 0 where the domain does not know the user
    items: Tensor  # [M, D, K], 0 where the item is not of the domain; [M, K] where each has but one and nobody ranks


class DomainLightGCN(nn.Module):
    """A table a domain, propagated along that domain's own graph; beyond it, users are told by the other domains.

    A user's vector is that of every domain one after another, an item's is its own in its domains and 0 elsewhere: so the
    score of an item is that of its domain. Under a source that looks at one domain alone, vectors are that domain's, and
    ``members`` and ``present`` say of whom it knows nothing.

    Where a domain does not know somebody, the other domains say what they can through ``crossing``; where none can, they are
    nobody in particular.

    The table has rows for those alone whom a domain knows, so that a step costs what the domains' own steps would. What is
    saved has a row for each user in each domain, 0 for all others: it can be read by who knows other people by now.

    Args:
        interactions: who is known in which domain.
        features: which domains an item belongs to.
        dim: length of a vector in one domain.
        layers: propagation layers, 0 or more.
        crossing: how other domains speak, see ``encoders/_crossing.py``.
        always: let learned maps speak of users whom the domain does know, too.
        ridge: of the fitted map; none: chosen by generalised cross-validation.
        spread: vectors are known up to a spread of their own (``encoders/_spread.py``), told in the parts ``mean`` and
            ``log_variance``; see the objective ``bottleneck``.
        by: the feature.
        init: how the tables begin, see ``encoders/_table.py``.
    """

    def __init__(
        self,
        shape: Shape,
        interactions: Interactions,
        rng: Generator,
        features: ItemFeatures | None,
        *,
        dim: PositiveInt = 64,
        layers: Layers = 2,
        crossing: Kind = "fitted",
        always: bool = False,
        ridge: Annotated[float, Field(gt=0)] | None = None,
        spread: bool = False,
        by: str = "domain",
        init: Init = "xavier",
    ) -> None:
        super().__init__()
        numbers = item_numbers(features, by)
        known = (user_numbers(interactions, numbers) >= 0).flatten().cpu()
        wide = Shape(len(numbers) * shape.users, int((numbers >= 0).sum()))
        refuse_beyond_memory(layers, Shape(int(known.sum()), wide.items), dim)
        self.layers, self.width, self.dim = layers, dim, dim * len(numbers)
        self.shares = (1 / (layers + 1),) * (layers + 1)
        self.kept = torch.cat((known, known.new_ones(wide.items)))  # [D x U + S] whose row of what is saved the table has
        self.table = nn.Parameter(table(wide, dim, init, rng).detach()[self.kept])  # drawn alike whoever else is known
        self.crossing = Crossing(crossing, len(numbers), dim, ridge=ridge, always=always)
        self.spread = Spread(dim, rng) if spread else None

    def forward(self, sources: Sequence[Domains], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """One encoding a source; sources with one graph share all propagation."""
        found: dict[int, dict[str, _States]] = {}
        for source in sources:
            if id(source.graph) not in found:
                found[id(source.graph)] = self._states(source, users, items)
        return [self._encoding(source, found[id(source.graph)], users, items) for source in sources]

    def _states(self, source: Domains, users: Tensor, items: Tensor | None) -> dict[str, _States]:
        """What the layers make of the rows asked for, ``vectors``, their rows of the ``tables``, and the parts."""
        numbers = source.items if items is None else source.items[:, items]
        people = source.users[:, users].flatten()
        where = None if source.apart else (numbers >= 0).nonzero(as_tuple=True)
        own = numbers.amax(0) if where is None else numbers[where]
        known = (people >= 0).nonzero().flatten()
        rows = torch.cat((people[known], source.graph.shape.users + own))
        [found] = layered(self.table, [source.graph.flow(self.layers)], Request(rows, self.shares))
        made = [(_among(len(people), known, each[: len(known)]), each[len(known) :]) for each in found[:2]]
        told = {"vectors": made[0], "tables": made[1]}
        if self.spread is not None:
            drawn, log_variance = zip(*(self.spread(side) for side in made[0]), strict=True)
            told |= {"vectors": drawn, "mean": made[0], "log_variance": log_variance}
        return {name: self._cut(*each, numbers.shape, where) for name, each in told.items()}

    def _cut(self, people: Tensor, own: Tensor, shape: Sequence[int], where: tuple[Tensor, ...] | None) -> _States:
        """Rows of users in every domain, and of items: at ``where`` of the [D, M] in ``shape``, or each in its only domain."""
        if where is not None:
            own = own.new_zeros(shape[1], shape[0], self.width).index_put((where[1], where[0]), own)
        return _States(people.view(shape[0], -1, self.width), own)

    def _encoding(self, source: Domains, found: dict[str, _States], users: Tensor, items: Tensor | None) -> Encoding:
        seen, states = source.seen[:, users], found["vectors"]
        if source.only is not None:
            inside = source.items[source.only] if items is None else source.items[source.only, items]
            own = states.items if source.apart else states.items[:, source.only]
            return Encoding(states.users[source.only], own, present=inside >= 0, members=seen[source.only])
        told = found | {"vectors": _States(self.crossing(states.users, seen, self._fitted(source)), states.items)}
        of = {name: _joined(each, apart=source.apart) for name, each in told.items()}
        vectors = of.pop("vectors")
        return Encoding(vectors.users, vectors.items, layers=(of.pop("tables"),), parts=of)

    @torch.no_grad()
    def _fitted(self, source: Domains) -> Fitted | None:
        """What the vectors of everybody say of those whom a domain does not know; not asked for in training."""
        if self.training or self.crossing.kind == "learned":
            return None
        everybody = torch.arange(source.shape.users, device=source.seen.device)
        return self.crossing.fit(self._states(source, everybody, everybody[:0])["vectors"].users, source.seen)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:  # noqa: FBT001 - torch's
        super()._save_to_state_dict(destination, prefix, keep_vars)
        rows = destination[prefix + "table"]
        saved = rows.new_zeros(len(self.kept), self.width)
        saved[self.kept.to(rows.device)] = rows
        destination[prefix + "table"] = saved

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *told: Any) -> None:
        saved = state_dict.get(prefix + "table")
        if saved is not None and saved.shape == (len(self.kept), self.width):
            state_dict = {**state_dict, prefix + "table": saved[self.kept.to(saved.device)]}
        super()._load_from_state_dict(state_dict, prefix, *told)


def _among(count: int, places: Tensor, rows: Tensor) -> Tensor:
    """``rows`` [P, K] at ``places`` [P] of ``count`` rows; the others are 0."""
    return rows.new_zeros(count, rows.shape[1]).index_copy(0, places, rows)


def _joined(states: _States, *, apart: bool) -> Encoding:
    """What the domains know, one after another in each vector; or apart, in rows."""
    if apart:
        return Encoding(states.users.flatten(0, 1), states.items)
    return Encoding(states.users.transpose(0, 1).flatten(1), states.items.flatten(1))
