"""The way back through the layers: one product a layer, in Horner's order, for all flows that share their adjacencies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recsys_cl.ops.adjacency import Rows
from recsys_cl.ops.flow import Flow
from recsys_cl.ops.low_rank import LowRank
from recsys_cl.ops.ordering import places, unplaced
from recsys_cl.ops.propagate import propagate


class Wanted:
    """What the flows that share their adjacencies ask of each layer, their gradients added up."""

    def __init__(self, flow: Flow, mask: Tensor | None, nodes: Tensor, layers: int, shape: torch.Size) -> None:
        self.adjacencies, self.ordering, self.mask = flow.adjacencies, flow.ordering(nodes.numel()), mask
        self.places, self.shape = places(nodes, self.ordering), shape
        self.rows: list[Tensor | None] = [None] * layers  # of the requested rows, [R, D]
        self.whole: list[Tensor | None] = [None] * layers  # of all nodes, [N, D], by place

    def add(self, layer: int, grad: Tensor | None, low_rank: LowRank | None) -> None:
        """Ask ``grad`` [R, D] of the requested rows of a layer's output, which ``low_rank`` gave where there is one."""
        if low_rank is None or not layer:
            self.rows[layer] = added(self.rows[layer], grad)
        elif grad is not None:
            self.whole[layer - 1] = added(self.whole[layer - 1], low_rank.pulled(grad, self.places))


def settled(wanted: Sequence[Wanted], parts: dict[tuple[int, int], Rows]) -> list[Tensor]:
    """The gradients of the table, in the nodes' own order: one for each mask and ordering."""
    sums: dict[tuple[int, int], tuple[Wanted, Tensor]] = {}
    for one in wanted:
        pulled, key = _pull(one, parts), (id(one.mask), id(one.ordering))
        if pulled is not None:
            sums[key] = one, pulled if key not in sums else sums[key][1].add_(pulled)
    natural = [(one.mask, unplaced(pulled, one.ordering)) for one, pulled in sums.values()]
    return [pulled if mask is None else pulled.mul_(mask) for mask, pulled in natural]


def _pull(wanted: Wanted, parts: dict[tuple[int, int], Rows]) -> Tensor | None:
    """The gradient by place: G_0 + A_1 (G_1 + A_2 (G_2 + ...)), where most G_l are zero outside the rows asked for."""
    result = None
    for layer in range(len(wanted.rows) - 1, -1, -1):
        grad, adjacency = wanted.rows[layer], wanted.adjacencies[layer - 1] if layer else None
        part = parts.get((id(adjacency), id(wanted.ordering)))
        result = added(result, wanted.whole[layer])
        if part is not None and result is None and grad is not None:
            # The first product reads nothing but these rows, which the forward pass has picked out already.
            result = propagate(part.transposed(wanted.shape[0]), grad)
            continue
        if grad is not None:
            result = grad.new_zeros(wanted.shape) if result is None else result
            result.index_add_(0, wanted.places, grad)
        if adjacency and result is not None:
            result = propagate(adjacency.matrix, result)
    return result


def added(*terms: Tensor | None) -> Tensor | None:
    """The sum of those that are there; None where none is."""
    present = [term for term in terms if term is not None]
    return sum(present[1:], start=present[0]) if present else None
