"""Graphs of PyTorch Geometric: the edges of a ``HeteroData``, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.values import Shape


def read(data: Any, users: str, items: str) -> tuple[Shape, Tensor, Tensor]:
    """The nodes, and the user ids and item ids of the one edge type from ``users`` to ``items``."""
    found = [kind for kind in data.edge_types if (kind[0], kind[2]) == (users, items)]
    if len(found) != 1:
        raise Refused(f"from_pyg: one edge type from '{users}' to '{items}' is needed, found {found or 'none'}")
    ends = torch.Tensor.as_subclass(data[found[0]].edge_index, Tensor).long()  # an EdgeIndex is no plain tensor
    return Shape(int(data[users].num_nodes), int(data[items].num_nodes)), ends[0], ends[1]


def write(shape: Shape, users: Tensor, items: Tensor) -> Any:
    """Both directions of the edges from ``users`` to ``items``, and nodes without features."""
    try:
        from torch_geometric.data import HeteroData
    except ImportError as error:
        raise Unavailable("to_pyg needs PyTorch Geometric: pip install torch_geometric") from error
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = shape.users, shape.items
    ends = torch.stack((users, items))
    data["user", "met", "item"].edge_index = ends
    data["item", "met_by", "user"].edge_index = ends.flip(0)
    return data
