"""Neighbours by content, against loops over all pairs in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recsys_cl.core.values import Modality
from recsys_cl.ops.adjacency import Rows
from recsys_cl.ops.carry import carry
from recsys_cl.ops.item_graph import item_graph, most_alike
from recsys_cl.ops.topk import least_budget


def modality(seed: int, items: int = 30, width: int = 5, lacking: float = 0.3) -> Modality:
    rng = torch.Generator().manual_seed(seed)
    return Modality(torch.randn(items, width, generator=rng), torch.rand(items, generator=rng) >= lacking)


def slow(given: Modality, neighbours: int) -> dict[int, list[int]]:
    present = given.present.nonzero().flatten().tolist()
    values = given.values.double()
    found = {}
    for item in present:
        others = [other for other in present if other != item]
        others.sort(key=lambda other: (-float(torch.cosine_similarity(values[item], values[other], dim=0)), other))
        found[item] = others[:neighbours]
    return found


def dense(rows: Rows) -> Tensor:
    matrix = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    owners = torch.repeat_interleave(torch.arange(len(rows)), rows.starts.diff())
    matrix[owners, rows.columns] = rows.weights.double()
    return matrix


@pytest.mark.parametrize("neighbours", [1, 4, 100])
def test_the_most_alike_are_those_of_largest_cosine_among_items_that_have_the_modality(neighbours: int) -> None:
    given = modality(1)
    items, others = most_alike(given, neighbours)
    expected = slow(given, neighbours)
    found = {item: others[items == item].tolist() for item in items.unique().tolist()}
    assert found == expected


def test_the_budget_changes_nothing() -> None:
    given = modality(2, items=300)
    one, small = most_alike(given, 5), most_alike(given, 5, budget=least_budget(300, 5, longest=1, rows=16))
    assert torch.equal(one[1], small[1])


def test_a_row_is_the_mean_over_the_modalities_an_item_has() -> None:
    given = [modality(3, lacking=0.5), modality(4, lacking=0.5)]
    expected = torch.zeros(30, 30, dtype=torch.float64)
    near = [slow(each, 3) for each in given]
    for item in range(30):
        having = [found[item] for found in near if item in found]
        for others in having:
            for other in others:
                expected[item, other] += 1 / len(others) / len(having)
    assert torch.allclose(dense(item_graph(given, 3)), expected, atol=1e-7)
    assert torch.equal(dense(item_graph(given[::-1], 3)), dense(item_graph(given, 3)))
    assert not expected.sum(1).allclose(torch.ones(30).double()), "some item has neither"


def test_one_item_alone_has_no_neighbours() -> None:
    assert len(item_graph([Modality(torch.ones(4, 2), torch.arange(4) == 2)], 3).columns) == 0


def test_spreading_is_the_product_and_so_is_its_gradient() -> None:
    rows = item_graph([modality(3), modality(4)], 3)
    rows = Rows(rows.starts, rows.columns, rows.weights.double())
    table = torch.randn(30, 4, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(carry(rows, rows.transposed(30), table), dense(rows) @ table)
    assert torch.autograd.gradcheck(lambda t: carry(rows, rows.transposed(30), t), table)
