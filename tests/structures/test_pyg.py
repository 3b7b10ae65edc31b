"""PyTorch Geometric's graphs come in and go out, and its own layer propagates as ours does."""

from __future__ import annotations

import sys

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData
from torch_geometric.nn import LGConv

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.encoders.lightgcn import LightGCN
from recsys_cl.structures.graph import Graph
from tests.graphs import SHAPE, generator, graph


def test_out_and_in_again_is_the_same_graph() -> None:
    before = graph(count=18)
    after = Graph.from_pyg(before.to_pyg())
    assert after.shape == before.shape
    assert all(map(torch.equal, before.adjacency.ends(), after.adjacency.ends()))
    torch.testing.assert_close(after.adjacency.matrix.weights.double(), before.adjacency.matrix.weights)


def test_what_goes_out_is_valid_and_goes_both_ways() -> None:
    data = graph().to_pyg()
    assert data.validate()
    forth, back = data["user", "met", "item"].edge_index, data["item", "met_by", "user"].edge_index
    assert torch.equal(forth, back.flip(0))


def test_an_edge_index_with_names_of_its_own_and_repeats_comes_in() -> None:
    data = HeteroData()
    data["reader"].num_nodes, data["book"].num_nodes = 3, 4
    ends = torch.tensor([[2, 0, 2, 2], [1, 3, 0, 1]])
    data["reader", "read", "book"].edge_index = EdgeIndex(ends, sparse_size=(3, 4))
    found = Graph.from_pyg(data, "reader", "book")
    assert (found.shape.users, found.shape.items) == (3, 4)
    assert [end.tolist() for end in found.adjacency.ends()] == [[0, 2, 2], [3, 0, 1]]
    assert type(found.adjacency.matrix.columns) is torch.Tensor


def test_a_graph_without_such_edges_is_refused() -> None:
    data = graph().to_pyg()
    with pytest.raises(Refused, match="reader"):
        Graph.from_pyg(data, "reader", "item")


def test_without_the_library_the_way_out_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_geometric.data", None)
    with pytest.raises(Unavailable, match="torch_geometric"):
        graph().to_pyg()


@pytest.mark.parametrize("layers", [1, 3])
def test_lightgcn_propagates_as_lgconv_does(layers: int) -> None:
    source = graph(count=30)
    encoder = LightGCN(SHAPE, generator(1), dim=4, layers=layers).double()
    users, items = source.adjacency.ends()
    forth = torch.stack((users, items + SHAPE.users))
    both = torch.cat((forth, forth.flip(0)), 1)
    state = encoder.table.detach()
    states = [state]
    for _ in range(layers):
        states.append(LGConv()(states[-1], both))
    mean = torch.stack(states).mean(0)
    [found] = encoder([source], torch.arange(SHAPE.users))
    torch.testing.assert_close(torch.cat((found.users, found.items)), mean, rtol=0, atol=1e-12)
