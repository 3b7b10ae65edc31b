"""Requests counted and timed, as text that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from threading import Lock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus's text format."""

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper ends of the latency buckets, seconds."""


class Meter:
    """Counts by path and status, and a latency histogram by path; safe under threads.

    Args:
        paths: what is told apart; all else is ``other``, so that no client can make labels up.
    """

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._lock = Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def record(self, path: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        path = path if path in self._paths else "other"
        with self._lock:
            self._requests[path, status] += 1
            buckets = self._buckets.setdefault(path, [0] * (len(BOUNDS) + 1))
            buckets[bisect_left(BOUNDS, seconds)] += 1
            self._seconds[path] = self._seconds.get(path, 0.0) + seconds

    def text(self, gauges: Mapping[str, float], model: str) -> str:
        """Prometheus's text format 0.0.4; ``gauges`` are further numbers of the moment."""
        with self._lock:
            lines = ["# TYPE recsys_cl_requests_total counter"]
            lines += [
                f'recsys_cl_requests_total{{path="{path}",status="{status}"}} {count}'
                for (path, status), count in sorted(self._requests.items())
            ]
            lines.append("# TYPE recsys_cl_request_seconds histogram")
            for path, buckets in sorted(self._buckets.items()):
                lines += _histogram(path, buckets, self._seconds[path])
        for name, value in gauges.items():
            lines += [f"# TYPE recsys_cl_{name} gauge", f"recsys_cl_{name} {value:g}"]
        label = model.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        lines += ["# TYPE recsys_cl_model_info gauge", f'recsys_cl_model_info{{model="{label}"}} 1']
        return "\n".join(lines) + "\n"


def _histogram(path: str, buckets: list[int], seconds: float) -> list[str]:
    name, totals = "recsys_cl_request_seconds", list(accumulate(buckets))
    ends = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    lines = [f'{name}_bucket{{path="{path}",le="{end}"}} {total}' for end, total in zip(ends, totals, strict=True)]
    return [*lines, f'{name}_sum{{path="{path}"}} {seconds:.6f}', f'{name}_count{{path="{path}"}} {totals[-1]}']
