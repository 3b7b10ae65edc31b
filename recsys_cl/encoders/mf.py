"""Matrix factorisation: a vector for each user and each item, whatever the source.

Koren et al., 2009, doi:10.1109/MC.2009.263; with `bpr`, Rendle et al., 2009, arXiv:1205.2618.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, Interactions, Shape
from recsys_cl.encoders._table import Start, begin, nodes
from recsys_cl.ops.dropout import dropout
from recsys_cl.ops.sharded import rows_of


class MatrixFactorisation(nn.Module):
    """Looks vectors up; views change nothing.

    Args:
        dim: length of a vector.
        init: how the table begins, see ``encoders/_table.py``.
        init_scale: what its first values are multiplied by. Dot products of short vectors are near 0, and BPR pushes popularity
            into them before all else; a spectral start 3 to 5 times as long keeps what it knows.
        dropout: rate on the users' vectors while training, as SimpleX and BSL have it.
        interactions: what a ``spectral`` table begins from.
    """

    tables: ClassVar[tuple[str, ...]] = ("table",)

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        dim: PositiveInt = 64,
        init: Start = "xavier",
        init_scale: PositiveFloat = 1.0,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        interactions: Interactions | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.shape = shape
        self.dropout = dropout
        self.table = begin(shape, dim, init, rng, interactions, init_scale)

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """The same rows of the table for every source; before dropout they are also the one layer."""
        found = rows_of(self.table, nodes(self.shape, users, items))
        rows = Encoding(found[: users.numel()], found[users.numel() :])
        shown = dropout(rows.users, self.dropout) if self.training else rows.users
        return [Encoding(shown, rows.items, layers=(rows,), shares=(1.0,))] * len(sources)
