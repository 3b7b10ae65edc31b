"""L2 regularisation of the rows a batch touches, the way the graph recommenders do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from recsys_cl.core.values import Batch, Encoding


class L2:
    """``(|u|^2 + |p|^2 + |n|^2) / 2`` of each query's own rows, summed and divided by the number of queries.

    The rows are those of the table itself (``layers[0]``) where the encoder has layers, else the encoding's: He et al.
    2020, LightGCN, eq. 15 with the authors' division by the batch size. A row that occurs twice counts twice.

    Relations: ``weight_decay`` of the optimiser shrinks every row in every step; this only those of the batch.
    """

    views = 0
    penalty = True  # small by intention, however large the others grow

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean penalty of the batch."""
        table = main.layers[0] if main.layers else main
        users, items = _halves(table.users), _halves(table.items)
        total = users[batch.query].sum() + items[batch.positive].sum()
        if batch.negative is not None:
            total = total + items[batch.negative].sum()
        return total / len(batch.query)


def _halves(rows: Tensor) -> Tensor:
    return rows.square().sum(-1) / 2
