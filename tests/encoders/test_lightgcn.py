"""LightGCN's published identities, on dense matrices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Shape
from recsys_cl.encoders.lightgcn import LightGCN
from recsys_cl.ops.adjacency import connect
from recsys_cl.ops.noise import LayerNoise
from recsys_cl.structures.graph import Graph
from tests.graphs import SHAPE, dense, generator, graph, pairs

USERS = torch.arange(SHAPE.users)


def lightgcn(layers: int, shape: Shape = SHAPE, *, include_input: bool = True) -> LightGCN:
    return LightGCN(shape, generator(1), dim=4, layers=layers, include_input=include_input).double()


def vectors(encoder: LightGCN, source: Graph) -> Tensor:
    [found] = encoder([source], torch.arange(source.shape.users))
    return torch.cat((found.users, found.items))


@pytest.mark.parametrize("layers", range(5))
def test_the_result_is_the_mean_of_matrix_powers(layers: int) -> None:
    encoder, source = lightgcn(layers), graph()
    powers = [torch.linalg.matrix_power(dense(source.adjacency), power) for power in range(layers + 1)]
    assert torch.allclose(vectors(encoder, source), sum(powers) @ encoder.table / (layers + 1), rtol=0, atol=1e-12)


def test_the_input_can_be_left_out_of_the_mean() -> None:
    encoder, source = lightgcn(2, include_input=False), graph()
    once = dense(source.adjacency) @ encoder.table
    assert torch.allclose(vectors(encoder, source), (once + dense(source.adjacency) @ once) / 2, rtol=0, atol=1e-12)
    with pytest.raises(Refused, match="include_input"):
        lightgcn(0, include_input=False)


def test_the_layers_can_be_weighted() -> None:
    source, encoder = graph(), LightGCN(SHAPE, generator(1), dim=4, layers=2, layer_weights=(1.0, 0.0, 4.0)).double()
    twice = torch.linalg.matrix_power(dense(source.adjacency), 2)
    assert torch.allclose(vectors(encoder, source), (encoder.table + 4 * twice @ encoder.table) / 5, rtol=0, atol=1e-12)
    alike = LightGCN(SHAPE, generator(1), dim=4, layers=2, layer_weights=(2.0, 2.0, 2.0)).double()
    assert torch.allclose(vectors(alike, source), vectors(lightgcn(2), source), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    "given",
    [{"layer_weights": (1.0, 2.0)}, {"layer_weights": (0.0, 0.0, 0.0)}, {"layer_weights": (1.0,) * 3, "include_input": False}],
)
def test_weights_that_are_not_one_a_layer_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"encoder\.layer_weights"):
        LightGCN(SHAPE, generator(1), layers=2, **given)


def test_an_isolated_node_keeps_a_share_of_its_row() -> None:
    source = Graph(SHAPE, connect(SHAPE, torch.tensor([0, 1]), torch.tensor([0, 0]), dtype=torch.float64))
    encoder = lightgcn(3)
    assert torch.allclose(vectors(encoder, source)[2:7], encoder.table[2:7] / 4, rtol=0, atol=1e-15)


def test_relabelling_moves_the_rows() -> None:
    users, items = pairs()
    new_users, new_items = torch.randperm(7, generator=generator(2)), torch.randperm(5, generator=generator(3))
    moved = torch.cat((new_users, 7 + new_items))
    encoder, renamed = lightgcn(2), lightgcn(2)
    renamed.table.data[moved] = encoder.table.data
    other = Graph(SHAPE, connect(SHAPE, new_users[users], new_items[items], dtype=torch.float64))
    assert torch.allclose(vectors(renamed, other)[moved], vectors(encoder, graph()), rtol=0, atol=1e-12)


def test_components_do_not_feel_each_other() -> None:
    source = Graph(SHAPE, connect(SHAPE, torch.tensor([0, 1, 4]), torch.tensor([0, 1, 4]), dtype=torch.float64))
    encoder = lightgcn(3)
    before = vectors(encoder, source)
    encoder.table.data[[4, 11]] += 1
    changed = (vectors(encoder, source) != before).any(1).nonzero().flatten().tolist()
    assert changed == [4, 11]


def test_layers_are_the_rows_after_each_propagation() -> None:
    encoder, source = lightgcn(2), graph()
    [found] = encoder([source], USERS)
    state = encoder.table
    for layer in found.layers:
        assert torch.allclose(torch.cat((layer.users, layer.items)), state, rtol=0, atol=1e-12)
        state = dense(source.adjacency) @ state


def test_noise_has_its_length_keeps_signs_and_vanishes_with_eps() -> None:
    encoder, source = lightgcn(1, include_input=False), graph()
    clean = vectors(encoder, source)
    noisy = vectors(encoder, replace(source, noise=LayerNoise(0.1, 3)))
    met = clean.abs().sum(1) > 0
    assert torch.allclose((noisy - clean).norm(dim=1)[met], torch.full((int(met.sum()),), 0.1, dtype=torch.float64))
    assert ((noisy - clean)[met] * clean[met] >= 0).all()
    assert torch.equal(noisy[~met], clean[~met])
    assert torch.equal(vectors(encoder, replace(source, noise=LayerNoise(0.0, 3))), clean)


def test_single_precision_is_close_to_the_definition() -> None:
    shape = Shape(300, 200)
    users, items = pairs(1, 5000, shape)
    encoder = LightGCN(shape, generator(1), dim=64, layers=3)
    found = vectors(encoder, Graph(shape, connect(shape, users, items)))
    matrix = dense(connect(shape, users, items, dtype=torch.float64))
    powers = sum(torch.linalg.matrix_power(matrix, power) for power in range(4))
    assert torch.allclose(found.double(), powers @ encoder.table.double() / 4, rtol=0, atol=1e-6)
