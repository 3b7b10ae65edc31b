"""Do two ways of measuring order the same recipes alike? Ranks, and Kendall's tau between rows of scores."""

from __future__ import annotations

from collections.abc import Sequence


def ranks(scores: Sequence[float]) -> list[int]:
    """Place of each, 1 for the largest; equal scores share the better place."""
    return [1 + sum(other > score for other in scores) for score in scores]


def kendall(rows: Sequence[Sequence[float]]) -> list[list[float | None]]:
    """Kendall's tau-b (Kendall, 1945, doi:10.1093/biomet/33.3.239) of every two of ``rows`` [R][N], [R][R].

    1: the same order; -1: the opposite. None where a row has no order (fewer than two scores, or all equal).
    """
    taus: list[list[float | None]] = [[None] * len(rows) for _ in rows]
    for one, row in enumerate(rows):
        for other in range(one + 1):  # each pair once: the two orders would differ in the last digit
            taus[one][other] = taus[other][one] = _tau(row, rows[other])
    return taus


def _tau(one: Sequence[float], other: Sequence[float]) -> float | None:
    from scipy.stats import kendalltau

    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return float(kendalltau(one, other).statistic)
