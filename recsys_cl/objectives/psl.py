"""Pairwise softmax loss: a tighter surrogate takes the place of the exponential (Yang et al. 2024, arXiv:2411.00163)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._scores import log_mean_exp, mean_where, scores
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature

_NOTHING = 1e-12  # relu reaches 0 and atan passes it; its logarithm would silence a query
_LOG_SURROGATES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda d: math.log(2) - softplus(-2 * d),
    "atan": lambda d: (torch.atan(d) + 1).clamp_min(_NOTHING).log(),
    "relu": lambda d: torch.relu(d + 1).clamp_min(_NOTHING).log(),
    "exp": lambda d: d,
}
"""Logarithms, because that of ``exp`` is there where ``exp`` itself overflows."""


class PSL:
    """``log mean_n sigma(d_n) ^ (1/tau)`` with ``d_n = (s(u,n) - s(u,p)) / scale``, mean over queries.

    Args:
        temperature: tau; called tau* in the authors' code (Tiny-Snow/IR-Benchmark).
        scale: 2 brings differences of cosines into [-1, 1], where the surrogates lie between the step and exp.
        surrogate: sigma; ``tanh(d) + 1``, ``atan(d) + 1``, ``relu(d + 1)``, or ``exp(d)``.
        similarity: cosine there.

    Relations: with ``surrogate = "exp"`` it is ``bsl`` with balance 1 and temperature tau * scale.
    """

    views = 0
    below_zero = True
    reads_negatives = 1

    def __init__(
        self,
        *,
        temperature: Temperature = 0.1,
        scale: Temperature = 2.0,
        surrogate: Literal["tanh", "atan", "relu", "exp"] = "relu",
        similarity: Similarity = "cosine",
    ) -> None:
        self.temperature = checked_temperature(temperature)
        self.scale = checked_temperature(scale, "scale")
        self.log_surrogate = _LOG_SURROGATES[surrogate]
        self.similarity = similarity

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch; a query all of whose negatives are accidental hits has none and costs nothing."""
        hit, missed, kept = scores(main, batch, self.similarity)
        wrong = self.log_surrogate((missed - hit) / self.scale)
        return mean_where(log_mean_exp(wrong / self.temperature, kept), kept.any(-1))
