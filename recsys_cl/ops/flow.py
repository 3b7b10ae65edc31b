"""How a table is carried along graphs, and what is wanted of that."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recsys_cl.ops.adjacency import Adjacency
from recsys_cl.ops.dropout import InputDropout
from recsys_cl.ops.low_rank import LowRank
from recsys_cl.ops.noise import LayerNoise
from recsys_cl.ops.ordering import Ordering


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """How one graph carries the table: the adjacency of each layer, and what befalls the table and the outputs."""

    adjacencies: tuple[Adjacency, ...]  # one a layer, of one ordering
    noise: LayerNoise | None = None  # every output gets some, and hands it on
    low_rank: LowRank | None = None  # gives the outputs instead, each from the layer below as the adjacencies make it
    dropout: InputDropout | None = None  # befalls the table first

    def ordering(self, rows: int) -> Ordering | None:
        """In which all its products are made, where so many ``rows`` are wanted of each layer.

        A single product of few rows reads the table as it lies: to put all of it in order would take longer.
        """
        if not self.adjacencies or (len(self.adjacencies) == 1 and not self.low_rank and self.adjacencies[0].few(rows)):
            return None
        return self.adjacencies[0].ordering


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What is wanted of every flow: these rows, and how the layers are averaged into the result."""

    rows: Tensor  # [R] node ids
    shares: tuple[float, ...]  # [L + 1] weight of each layer in the result, the table itself first
