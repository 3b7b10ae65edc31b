"""The one InfoNCE and its relatives: row i of two encodings is one sample, every other row a negative."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.ops.precision import full_precision
from recsys_cl.ops.similarity import Similarity, lift
from recsys_cl.ops.softmax import softmax
from recsys_cl.ops.two_sided import two_sided_softmax


@full_precision
def info_nce(
    anchors: Tensor,
    positives: Tensor,
    *,
    temperature: float,
    similarity: Similarity = "cosine",
    two_sided: bool = False,
    rows: Tensor | None = None,
) -> Tensor:
    """Mean over rows of ``-log exp(s(a_i, p_i)/tau) / sum_j exp(s(a_i, p_j)/tau)`` (van den Oord et al. 2018, eq. 4).

    Args:
        anchors: [N, D].
        positives: [N, D], row ``i`` the other encoding of sample ``i``.
        temperature: tau.
        similarity: see ``Similarity``.
        two_sided: the mean of both directions, anchors asking and positives asking.
        rows: [N] which of ``positives`` [M, D] is each anchor's, where there are more of them; all others are negatives.

    Returns:
        A scalar >= 0; 0 for a batch of one.
    """
    if rows is not None:
        return softmax(anchors, positives, rows, temperature=temperature, similarity=similarity)
    if two_sided:
        return two_sided_softmax(anchors, positives, temperature=temperature, similarity=similarity)
    own = torch.arange(len(anchors), device=anchors.device)
    return softmax(anchors, positives, own, temperature=temperature, similarity=similarity)


@full_precision
def decoupled(anchors: Tensor, positives: Tensor, *, temperature: float, similarity: Similarity = "cosine") -> Tensor:
    """InfoNCE without the positive in the denominator (Yeh et al. 2021, arXiv:2110.06848); 0 for a batch of one."""
    if len(anchors) == 1:
        return 0 * (anchors.sum() + positives.sum())
    logits = _logits(anchors, positives, temperature, similarity)
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    return (logits.masked_fill(own, -torch.inf).logsumexp(-1) - logits.diagonal()).mean()


@full_precision
def hard_weighted(
    anchors: Tensor,
    positives: Tensor,
    *,
    temperature: float,
    hardness: float,
    prior: float,
    similarity: Similarity = "cosine",
) -> Tensor:
    """InfoNCE with negatives weighted by ``exp(hardness * s / tau)`` and corrected by ``prior`` (Robinson et al. 2021).

    The sum over negatives becomes ``(N - 1) max((E_w[e^(s/tau)] - prior e^(s(p)/tau)) / (1 - prior), floor)``; the floor is
    ``e^(-1/tau)`` for cosine and 0 otherwise. Hardness 0 is Chuang et al. 2020; prior 0 as well, InfoNCE.
    """
    if len(anchors) == 1:
        return 0 * (anchors.sum() + positives.sum())
    logits = _logits(anchors, positives, temperature, similarity)
    top = logits.detach().amax(-1, keepdim=True)
    logits = logits - top  # every term below is divided by exp(top), which the final logarithm cancels
    hit = logits.diagonal()
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    # logarithms, because the weights themselves may all be too small for a number where the positive is far above
    weighted, weights = (((hardness + more) * logits).masked_fill(own, -torch.inf).logsumexp(-1) for more in (1, 0))
    mean = (weighted - weights).exp()
    floor = (-1 / temperature - top.squeeze(-1)).exp() if similarity == "cosine" else torch.zeros_like(mean)
    negatives = (len(logits) - 1) * torch.maximum((mean - prior * hit.exp()) / (1 - prior), floor)
    return ((hit.exp() + negatives).clamp_min(torch.finfo(mean.dtype).tiny).log() - hit).mean()


def _logits(anchors: Tensor, positives: Tensor, temperature: float, similarity: Similarity) -> Tensor:
    queries, candidates = lift(anchors, positives, similarity)
    return (queries / temperature) @ candidates.T
