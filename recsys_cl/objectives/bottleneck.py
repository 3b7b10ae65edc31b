"""What knowing somebody exactly costs: how far vectors are from saying nothing (Alemi et al., 2017, arXiv:1612.00410)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._pairing import part_of


class Bottleneck:
    """``sum (m^2 + v - 1 - log v) / 2`` over coordinates: KL of N(m, v) from N(0, 1), mean over the batch's users plus items.

    ``m`` and ``log v`` are the parts ``mean`` and ``log_variance`` that an encoder with ``spread = true`` gives.

    Relations: ``l2`` draws vectors to 0 too, whatever is known of them; this also pays for certainty.
    """

    views = 0
    reads_layers = ("mean", "log_variance")
    penalty = True  # small by intention, however large the others grow

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean divergence of the batch, in nats."""
        middle, spread = part_of(main, "mean"), part_of(main, "log_variance")
        return _divergence(middle.users, spread.users) + _divergence(middle.items, spread.items)


def _divergence(middle: Tensor, log_variance: Tensor) -> Tensor:
    return (middle.square() + log_variance.expm1() - log_variance).sum(-1).mean() / 2
