"""Layers on request against dense autograd in float64: LightGCN, SGL, SimGCL, XSimGCL; values and gradients to 1e-9."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recsys_cl.ops import layers, pull
from recsys_cl.ops.adjacency import Rows
from recsys_cl.ops.dropout import InputDropout
from recsys_cl.ops.flow import Flow, Request
from recsys_cl.ops.layers import layered
from recsys_cl.ops.low_rank import LowRank
from recsys_cl.ops.noise import LayerNoise, disturb
from recsys_cl.ops.ordering import unplaced
from recsys_cl.ops.propagate import propagate
from tests.graphs import dense, disordered, generator, graph

ROWS = torch.tensor([9, 2, 0, 11, 5])
A, B, C = (graph(seed).adjacency for seed in range(3))
D, E = (disordered(seed).adjacency for seed in range(2))
NODES, DIM = 12, 4
LOW = LowRank(*torch.randn(2, NODES, 3, dtype=torch.float64, generator=generator(9)))
OTHER = LowRank(*torch.randn(2, NODES, 2, dtype=torch.float64, generator=generator(10)))
ZEROS = InputDropout(0.3, 5)


CASES = {
    "lightgcn": ([Flow((A, A, A))], (0.25, 0.25, 0.25, 0.25)),
    "no layer": ([Flow(())], (1.0,)),
    "sgl edge drop": ([Flow((A, A)), Flow((B, B)), Flow((C, C))], (1 / 3, 1 / 3, 1 / 3)),
    "sgl random walk": ([Flow((A, A)), Flow((B, C)), Flow((C, A))], (1 / 3, 1 / 3, 1 / 3)),
    "simgcl": ([Flow((A, A)), Flow((A, A), LayerNoise(0.1, 1)), Flow((A, A), LayerNoise(0.1, 2))], (0.0, 0.5, 0.5)),
    "simgcl, three layers": (
        [Flow((A, A, A), LayerNoise(0.1, 1)), Flow((A, A, A), LayerNoise(0.1, 2))],
        (0.25, 0.25, 0.25, 0.25),
    ),
    "xsimgcl": ([Flow((A, A, A), LayerNoise(0.2, 3))], (0.0, 1 / 3, 1 / 3, 1 / 3)),
    "lightgcl": ([Flow((A, A)), Flow((A, A), low_rank=LOW)], (1.0, 1.0, 1.0)),
    "two low ranks": ([Flow((A, A), low_rank=LOW), Flow((A, A), low_rank=OTHER)], (0.3, 0.3, 0.4)),
    "lightgcl of a walk, alone": ([Flow((B, C, A), low_rank=LOW)], (0.0, 0.5, 0.25, 0.25)),
    "dropout": (
        [Flow((A, A)), Flow((A, A), dropout=ZEROS), Flow((A, A), LayerNoise(0.1, 1), dropout=ZEROS)],
        (0.5, 0.25, 0.25),
    ),
    "all requests": ([Flow((A, B)), Flow((A, B), low_rank=LOW, dropout=ZEROS), Flow((A, B), low_rank=LOW)], (0.2, 0.5, 0.3)),
    "in another order": ([Flow((D, D)), Flow((D, E), LayerNoise(0.1, 1)), Flow((D, D), low_rank=LOW)], (0.2, 0.5, 0.3)),
    "one layer in another order": (
        [Flow((D,)), Flow((E,)), Flow((D,), LayerNoise(0.1, 1)), Flow((D,), low_rank=LOW), Flow((D,), dropout=ZEROS)],
        (0.4, 0.6),
    ),
    "in several orders": ([Flow((A, B)), Flow((D, E)), Flow((E, E), dropout=ZEROS)], (0.2, 0.5, 0.3)),
    "noise on a smaller graph": ([Flow((A, A)), Flow((B, B), LayerNoise(0.3, 4))], (0.0, 0.5, 0.5)),
}


def unit_noise(shape: tuple[int, int], rng: torch.Generator) -> Tensor:
    """What ``disturb`` adds to a vector of ones: the next directions of the request."""
    return disturb(torch.ones(shape, dtype=torch.float64), 1.0, rng) - 1


def slowly(table: Tensor, flow: Flow, request: Request) -> tuple[Tensor, ...]:
    """The definition, layer by layer on the whole graph."""
    rng = flow.noise.stream() if flow.noise else None
    state = table * flow.dropout.mask(table) if flow.dropout else table
    rows = [state[request.rows]]
    for layer, adjacency in enumerate(flow.adjacencies, 1):
        if flow.low_rank:
            left, right = (unplaced(side, adjacency.ordering) for side in (flow.low_rank.left, flow.low_rank.right))
            rows.append((left @ right.T @ state)[request.rows])
            state = dense(adjacency) @ state
            continue
        state = dense(adjacency) @ state
        if layer == len(flow.adjacencies):
            state = state[request.rows]
        if flow.noise and rng:
            drawn = unit_noise((len(state), DIM), rng)
            drawn = drawn if layer == len(flow.adjacencies) else unplaced(drawn, adjacency.ordering)
            state = state + flow.noise.eps * state.sign() * drawn
        rows.append(state if layer == len(flow.adjacencies) else state[request.rows])
    return sum(share * row for share, row in zip(request.shares, rows, strict=True)), *rows


def table() -> Tensor:
    return torch.randn(NODES, DIM, dtype=torch.float64, generator=generator(5)).requires_grad_()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rows", [ROWS, torch.arange(NODES).flip(0), torch.tensor([3, 9, 3])], ids=["some", "all", "one twice"])
@pytest.mark.parametrize("read", ["all", "mean", "layers", "one"])
def test_values_and_gradients_are_those_of_the_definition(name: str, rows: Tensor, read: str) -> None:
    flows, shares = CASES[name]
    request, fast, slow = Request(rows, shares), table(), table()
    found = [out for outs in layered(fast, flows, request) for out in outs]
    expected = [out for flow in flows for out in slowly(slow, flow, request)]
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-9)
    width = len(shares) + 1
    reads = {"all": range(len(found)), "mean": range(0, len(found), width), "one": [min(2, len(found) - 1)]}
    chosen = reads.get(read, [at for at in range(len(found)) if at % width])
    weights = [torch.randn(out.shape, dtype=torch.float64, generator=generator(at)) for at, out in enumerate(found)]
    for outs in (found, expected):
        sum((weights[at] * outs[at]).sum() for at in chosen).backward()
    assert torch.allclose(fast.grad, slow.grad, rtol=0, atol=1e-9)
    assert fast.grad.abs().max() > 0.01


@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name: str) -> None:
    flows, shares = CASES[name]
    request = Request(ROWS, shares)
    assert torch.autograd.gradcheck(lambda values: sum(layered(values, flows, request), start=()), (table(),))


def test_shared_products_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """SimGCL with two layers: one whole product and three of some rows forward, one of some columns and a whole one back."""
    counts: list[int] = []

    def counted(matrix: Rows, values: Tensor) -> Tensor:
        counts.append(matrix.columns.numel())
        return propagate(matrix, values)

    monkeypatch.setattr(layers, "propagate", counted)
    monkeypatch.setattr(pull, "propagate", counted)
    flows, shares = CASES["simgcl"]
    outs = layered(table(), flows, Request(ROWS, shares))
    whole, some = A.matrix.columns.numel(), A.matrix.only(ROWS).columns.numel()
    assert counts == [whole, some, some, some]
    sum(out.sum() for flow in outs for out in flow).backward()
    assert counts[4:] == [some, whole]


def test_a_low_rank_view_costs_no_sparse_product_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """LightGCL with two layers: the plain graph's products serve it, forward and back."""
    counts: list[int] = []

    def counted(matrix: Rows, values: Tensor) -> Tensor:
        counts.append(matrix.columns.numel())
        return propagate(matrix, values)

    monkeypatch.setattr(layers, "propagate", counted)
    monkeypatch.setattr(pull, "propagate", counted)
    flows, shares = CASES["lightgcl"]
    outs = layered(table(), flows, Request(ROWS, shares))
    sum(out.sum() for flow in outs for out in flow).backward()
    whole, some = A.matrix.columns.numel(), A.matrix.only(ROWS).columns.numel()
    assert counts == [whole, some, some, whole]


def test_nothing_is_kept_without_gradients() -> None:
    with torch.no_grad():
        mean, *_ = layered(table(), [Flow((A, A))], Request(ROWS, (0.5, 0.25, 0.25)))[0]
    assert not mean.requires_grad
