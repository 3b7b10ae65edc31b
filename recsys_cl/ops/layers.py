"""LightGCN's layers for several graphs at once, only on the rows asked for, with the exact gradient written by hand.

All of LightGCN, SGL, SimGCL and XSimGCL is linear in the table: the noise has no derivative, and the matrices are
symmetric. So nothing needs to be kept for the backward pass, and one product a layer, in Horner's order, serves all
graphs that share an adjacency.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recsys_cl.ops.adjacency import Adjacency, Rows
from recsys_cl.ops.flow import Flow, Request
from recsys_cl.ops.noise import disturb
from recsys_cl.ops.ordering import Ordering, placed, places
from recsys_cl.ops.propagate import propagate
from recsys_cl.ops.pull import Wanted, added, settled


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
        wanted: dict[tuple[int, ...], Wanted] = {}
        for index, flow in enumerate(ctx.flows):
            mean, *layers = grads[index * width : (index + 1) * width]
            mask = ctx.masks.get(id(flow))
            order = flow.ordering(ctx.request.rows.numel())
            key = (id(mask), id(order), *(id(adjacency) for adjacency in flow.adjacencies))
            asked = wanted.setdefault(key, Wanted(flow, mask, ctx.request.rows, len(layers), ctx.shape))
            for layer, (grad, share) in enumerate(zip(layers, ctx.request.shares, strict=True)):
                asked.add(layer, added(grad, None if mean is None or not share else mean * share), flow.low_rank)
        return added(*settled(list(wanted.values()), ctx.parts)), None, None


class _Products:
    """The products of one forward pass, each computed once."""

    def __init__(self, nodes: Tensor) -> None:
        self._nodes = nodes
        self._full: dict[tuple[int, ...], Tensor] = {}
        self.parts: dict[tuple[int, int], Rows] = {}  # the requested rows of an adjacency, by its identity and the order's
        self.masks: dict[int, Tensor] = {}  # what the table was multiplied by, by the identity of the flow

    def along(self, flow: Flow, table: Tensor) -> list[Tensor]:
        """The requested rows [R, D] of the table and of each layer's output."""
        rng = flow.noise.stream() if flow.noise else None
        path = tuple[int, ...]()
        if flow.dropout:
            self.masks[id(flow)] = flow.dropout.mask(table)
            table, path = table * self.masks[id(flow)], (id(flow),)  # nobody else can be here
        ordering = flow.ordering(self._nodes.numel())
        path = (*path, id(ordering))
        state, rows = self._once(path, partial(placed, table, ordering)), places(self._nodes, ordering)
        found = [state.index_select(0, rows)]
        for layer, adjacency in enumerate(flow.adjacencies, 1):
            path = (*path, id(adjacency))
            last = layer == len(flow.adjacencies)
            whole = partial(propagate, adjacency.matrix, state)
            if flow.low_rank:
                found.append(flow.low_rank.times(state, rows))
                state = state if last else self._once(path, whole)
                continue
            state = self._last(adjacency, state, ordering, rows) if last else self._once(path, whole)
            if flow.noise and rng:
                state = disturb(state, flow.noise.eps, rng)
                path = (*path, id(flow))
            found.append(state if last else state.index_select(0, rows))
        return found

    def _once(self, path: tuple[int, ...], product: Callable[[], Tensor]) -> Tensor:
        if path not in self._full:
            self._full[path] = product()
        return self._full[path]

    def _last(self, adjacency: Adjacency, state: Tensor, ordering: Ordering | None, rows: Tensor) -> Tensor:
        if not adjacency.few(rows.numel()):
            return propagate(adjacency.matrix, state).index_select(0, rows)
        key = id(adjacency), id(ordering)
        if key not in self.parts:
            self.parts[key] = adjacency.matrix.only(rows) if ordering else adjacency.of(self._nodes)
        return propagate(self.parts[key], state)


def _blend(layers: list[Tensor], shares: tuple[float, ...]) -> list[Tensor]:
    mean = torch.zeros_like(layers[0])
    for layer, share in zip(layers, shares, strict=True):
        if share:
            mean.add_(layer, alpha=share)
    return [mean, *layers]
