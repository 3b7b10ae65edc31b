"""How somebody new is folded into a propagated graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from recsys_cl.core.values import Encoding, Fold
from recsys_cl.structures.graph import Graph


def along_edges(whole: Encoding, shares: Sequence[float], source: Graph) -> Fold:
    """A new user without a row of its own gets, layer by layer, what propagation along its edges would bring it.

    The items are left as they are; their degrees do not count the new user.

    Args:
        whole: an encoding of the whole catalogue with its layers, the table first.
        shares: what each layer counts for.
        source: the graph it was propagated along.
    """
    degrees = source.adjacency.degrees()[source.shape.users :]
    scale = degrees.masked_fill(degrees == 0, 1).rsqrt()[:, None]
    brought = [share * layer.items for share, layer in zip(shares[1:], whole.layers[:-1], strict=True)]
    rows = torch.stack(brought).sum(0) * scale if brought else torch.zeros_like(whole.items)
    return Fold(rows, exponent=0.5, recency=source.recency)
