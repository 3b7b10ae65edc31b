"""How somebody new is folded into a propagated graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from recsys_cl.core.values import Encoding, Fold
from recsys_cl.ops.adjacency import Adjacency


def along_edges(whole: Encoding, shares: Sequence[float], adjacency: Adjacency) -> Fold:
    """A new user without a row of its own gets, layer by layer, what propagation along its edges would bring it.

    The items are left as they are; their degrees do not count the new user.

    Args:
        whole: an encoding of the whole catalogue with its layers, the table first.
        shares: what each layer counts for.
        adjacency: the graph it was propagated along.
    """
    degrees = adjacency.degrees()[adjacency.shape.users :]
    scale = degrees.clamp(min=1).rsqrt()[:, None]
    brought = [share * layer.items for share, layer in zip(shares[1:], whole.layers[:-1], strict=True)]
    return Fold(torch.stack(brought).sum(0) * scale if brought else torch.zeros_like(whole.items), exponent=0.5)
