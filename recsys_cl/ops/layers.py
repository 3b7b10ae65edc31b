"""LightGCN's layers for several graphs at once, only on the rows asked for, with the exact gradient written by hand.

All of LightGCN, SGL, SimGCL and XSimGCL is linear in the table: the noise has no derivative, and the matrices are
symmetric. So nothing needs to be kept for the backward pass, and one product a layer, in Horner's order, serves all
graphs that share an adjacency.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recsys_cl.ops.adjacency import Adjacency, Rows
from recsys_cl.ops.dropout import InputDropout
from recsys_cl.ops.low_rank import LowRank
from recsys_cl.ops.noise import LayerNoise, disturb
from recsys_cl.ops.ordering import Ordering, placed, places, unplaced
from recsys_cl.ops.propagate import propagate


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """How one graph carries the table: the adjacency of each layer, and what befalls the table and the outputs."""

    adjacencies: tuple[Adjacency, ...]  # one a layer, of one ordering
    noise: LayerNoise | None = None  # every output gets some, and hands it on
    low_rank: LowRank | None = None  # gives the outputs instead, each from the layer below as the adjacencies make it
    dropout: InputDropout | None = None  # befalls the table first

    @property
    def ordering(self) -> Ordering | None:
        """In which all its products are made."""
        return self.adjacencies[0].ordering if self.adjacencies else None


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What is wanted of every flow: these rows, and how the layers are averaged into the result."""

    rows: Tensor  # [R] node ids
    shares: tuple[float, ...]  # [L + 1] weight of each layer in the result, the table itself first


def layered(table: Tensor, flows: Sequence[Flow], request: Request) -> list[tuple[Tensor, ...]]:
    """For each flow the rows asked for: their weighted mean over layers, then after each layer (the table's first).

    E^(l) = A_l E^(l-1), then plus noise if asked for; a low-rank flow gives B E^(l-1) in place of E^(l) (LightGCL, Cai et al.
    2023, arXiv:2302.08191). Each tensor is [R, D] and passes gradients to ``table`` [N, D].
    Flows that agree up to a layer share its product; the last layer is computed on the rows alone.
    """
    width = len(request.shares) + 1
    flat: tuple[Tensor, ...] = _Layers.apply(table, tuple(flows), request)  # type: ignore[no-untyped-call]
    return [flat[start : start + width] for start in range(0, len(flat), width)]


class _Layers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, flows: tuple[Flow, ...], request: Request) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.flows, ctx.request, ctx.shape = flows, request, table.shape
        products = _Products(request.rows)
        ctx.parts, ctx.masks = products.parts, products.masks
        return tuple(out for flow in flows for out in _blend(products.along(flow, table), request.shares))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None, None]:
        width = len(ctx.request.shares) + 1
        wanted: dict[tuple[int, ...], _Wanted] = {}
        for index, flow in enumerate(ctx.flows):
            mean, *layers = grads[index * width : (index + 1) * width]
            mask = ctx.masks.get(id(flow))
            key = (id(mask), *(id(adjacency) for adjacency in flow.adjacencies))
            total = wanted.setdefault(key, _Wanted(flow, mask, ctx.request.rows, len(layers), ctx.shape))
            for layer, (grad, share) in enumerate(zip(layers, ctx.request.shares, strict=True)):
                total.add(layer, _sum(grad, None if mean is None or not share else mean * share), flow.low_rank)
        return _sum(*_settled(list(wanted.values()), ctx.parts)), None, None


class _Wanted:
    """What the flows that share their adjacencies ask of each layer, their gradients added up."""

    def __init__(self, flow: Flow, mask: Tensor | None, nodes: Tensor, layers: int, shape: torch.Size) -> None:
        self.adjacencies, self.ordering, self.mask = flow.adjacencies, flow.ordering, mask
        self.places, self.shape = places(nodes, flow.ordering), shape
        self.rows: list[Tensor | None] = [None] * layers  # of the requested rows, [R, D]
        self.whole: list[Tensor | None] = [None] * layers  # of all nodes, [N, D], by place

    def add(self, layer: int, grad: Tensor | None, low_rank: LowRank | None) -> None:
        if low_rank is None or not layer:
            self.rows[layer] = _sum(self.rows[layer], grad)
        elif grad is not None:
            self.whole[layer - 1] = _sum(self.whole[layer - 1], low_rank.pulled(grad, self.places))


class _Products:
    """The products of one forward pass, each computed once."""

    def __init__(self, nodes: Tensor) -> None:
        self._nodes = nodes
        self._full: dict[tuple[int, ...], Tensor] = {}
        self.parts: dict[int, Rows] = {}  # the requested rows of an adjacency, by its identity
        self.masks: dict[int, Tensor] = {}  # what the table was multiplied by, by the identity of the flow

    def along(self, flow: Flow, table: Tensor) -> list[Tensor]:
        """The requested rows [R, D] of the table and of each layer's output."""
        rng = flow.noise.stream() if flow.noise else None
        path = tuple[int, ...]()
        if flow.dropout:
            self.masks[id(flow)] = flow.dropout.mask(table)
            table, path = table * self.masks[id(flow)], (id(flow),)  # nobody else can be here
        path = (*path, id(flow.ordering))
        state, rows = self._once(path, partial(placed, table, flow.ordering)), places(self._nodes, flow.ordering)
        found = [state.index_select(0, rows)]
        for layer, adjacency in enumerate(flow.adjacencies, 1):
            path = (*path, id(adjacency))
            last = layer == len(flow.adjacencies)
            whole = partial(propagate, adjacency.matrix, state)
            if flow.low_rank:
                found.append(flow.low_rank.times(state, rows))
                state = state if last else self._once(path, whole)
                continue
            state = self._last(adjacency, state, rows) if last else self._once(path, whole)
            if flow.noise and rng:
                state = disturb(state, flow.noise.eps, rng)
                path = (*path, id(flow))
            found.append(state if last else state.index_select(0, rows))
        return found

    def _once(self, path: tuple[int, ...], product: Callable[[], Tensor]) -> Tensor:
        if path not in self._full:
            self._full[path] = product()
        return self._full[path]

    def _last(self, adjacency: Adjacency, state: Tensor, rows: Tensor) -> Tensor:
        if 2 * rows.numel() > len(adjacency.matrix):  # picking so many rows would cost more than it saves
            return propagate(adjacency.matrix, state).index_select(0, rows)
        if id(adjacency) not in self.parts:
            self.parts[id(adjacency)] = adjacency.matrix.only(rows)
        return propagate(self.parts[id(adjacency)], state)


def _blend(layers: list[Tensor], shares: tuple[float, ...]) -> list[Tensor]:
    mean = torch.zeros_like(layers[0])
    for layer, share in zip(layers, shares, strict=True):
        if share:
            mean.add_(layer, alpha=share)
    return [mean, *layers]


def _settled(wanted: Sequence[_Wanted], parts: dict[int, Rows]) -> list[Tensor]:
    """The gradients of the table, in the nodes' own order: one for each mask and ordering."""
    sums: dict[tuple[int, int], tuple[_Wanted, Tensor]] = {}
    for one in wanted:
        pulled, key = _pull(one, parts), (id(one.mask), id(one.ordering))
        if pulled is not None:
            sums[key] = one, pulled if key not in sums else sums[key][1].add_(pulled)
    natural = [(one.mask, unplaced(pulled, one.ordering)) for one, pulled in sums.values()]
    return [pulled if mask is None else pulled.mul_(mask) for mask, pulled in natural]


def _pull(wanted: _Wanted, parts: dict[int, Rows]) -> Tensor | None:
    """The gradient by place: G_0 + A_1 (G_1 + A_2 (G_2 + ...)), where most G_l are zero outside the rows asked for."""
    result = None
    for layer in range(len(wanted.rows) - 1, -1, -1):
        grad, adjacency = wanted.rows[layer], wanted.adjacencies[layer - 1] if layer else None
        result = _sum(result, wanted.whole[layer])
        if adjacency and result is None and grad is not None and id(adjacency) in parts:
            # The first product reads nothing but these rows, which the forward pass has picked out already.
            result = propagate(parts[id(adjacency)].transposed(wanted.shape[0]), grad)
            continue
        if grad is not None:
            result = grad.new_zeros(wanted.shape) if result is None else result
            result.index_add_(0, wanted.places, grad)
        if adjacency and result is not None:
            result = propagate(adjacency.matrix, result)
    return result


def _sum(*terms: Tensor | None) -> Tensor | None:
    present = [term for term in terms if term is not None]
    return sum(present[1:], start=present[0]) if present else None
