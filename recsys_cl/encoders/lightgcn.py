"""LightGCN: every layer averages neighbours, the result averages layers. He et al., 2020, arXiv:2002.02126.

With graphs of fewer edges it is SGL (arXiv:2010.10783), with layer noise SimGCL (arXiv:2112.08679) and XSimGCL
(arXiv:2209.02544), with a low-rank adjacency LightGCL (arXiv:2302.08191).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, Fold, Interactions, Shape
from recsys_cl.encoders._fold import along_edges
from recsys_cl.encoders._table import Layers, LayerWeights, Start, begin, nodes, refuse_beyond_memory, shares
from recsys_cl.ops.flow import Request
from recsys_cl.ops.layers import layered
from recsys_cl.ops.sharded import whole_of
from recsys_cl.structures.graph import Graph


class LightGCN(nn.Module):
    """Propagates one table along each source's graph.

    Args:
        dim: length of a vector.
        layers: propagation layers, 0 or more.
        include_input: count the table itself among the layers averaged. LightGCN and SGL do; SimGCL and XSimGCL do
            not (as in their authors' SELFRec).
        combine: ``mean`` of the layers, or their ``sum`` (LightGCL), whose vectors are as many times as long.
        layer_weights: what the table and each layer count for in the mean, e.g. ``[1, 4]``: LightGCN's alpha (section 3.1.2),
            which its authors leave uniform. None: ``include_input`` and ``combine`` say it.
        init: how the table begins, see ``encoders/_table.py``.
        init_scale: what its first values are multiplied by. Dot products of short vectors are near 0, and BPR pushes popularity
            into them before all else; a spectral start 3 to 5 times as long keeps what it knows.
        interactions: what a ``spectral`` table begins from.
    """

    tables: ClassVar[tuple[str, ...]] = ("table",)

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        *,
        dim: PositiveInt = 64,
        layers: Layers = 3,
        include_input: bool = True,
        combine: Literal["mean", "sum"] = "mean",
        layer_weights: LayerWeights | None = None,
        init: Start = "xavier",
        init_scale: PositiveFloat = 1.0,
        interactions: Interactions | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.shares = shares(layers, include_input=include_input, combine=combine, weights=layer_weights)
        refuse_beyond_memory(layers, shape, dim)
        self.shape = shape
        self.layers = layers
        self.table = begin(shape, dim, init, rng, interactions, init_scale)

    def forward(self, sources: Sequence[Graph], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """One encoding a source; ``layers`` holds the table's rows, then those after each propagation."""
        flows = [source.flow(self.layers) for source in sources]
        results = layered(whole_of(self.table), flows, Request(nodes(self.shape, users, items), self.shares))
        return [_encoding(result, users.numel(), self.shares) for result in results]

    def fold_in(self, source: Graph) -> Fold:
        """A new user gets what propagation along its edges would bring it, see ``encoders/_fold.py``."""
        everyone = torch.arange(self.shape.items, device=self.table.device)
        (encoding,) = self([source], everyone[:0], everyone)
        return along_edges(encoding, self.shares, source)


def _encoding(result: Sequence[Tensor], users: int, shares: tuple[float, ...]) -> Encoding:
    mean, *layers = (Encoding(rows[:users], rows[users:]) for rows in result)
    return Encoding(mean.users, mean.items, layers=tuple(layers), shares=shares)
