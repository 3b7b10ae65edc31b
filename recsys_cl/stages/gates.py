"""What stands between a challenger and production: each gate says what it saw, and whether it lets the challenger through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recsys_cl.serving.bundle import Bundle

_ANSWERS = 200


@dataclass(frozen=True, slots=True)
class Gate:
    """One question and its outcome; only ``blocked`` stops a promotion."""

    name: str
    verdict: Literal["ok", "warning", "blocked"]
    said: str
    value: float | None = None
    limit: float | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.said}"

    def as_json(self) -> dict[str, Any]:
        """Every field by name."""
        return asdict(self)


def difference_gate(metric: str, differences: NDArray[np.float64], margin: float) -> Gate:
    """All of the interval of challenger minus champion, ``differences`` [U], lies above ``margin``, of users enough to say."""
    from recsys_cl.core.chance import generator
    from recsys_cl.evaluation.compare import USERS, beyond, covering_interval, decided, reliable

    found, users = covering_interval(differences, generator(0, "promote")), len(differences)
    if not reliable(differences):
        few = f"{users} users" if users < USERS else f"{users} users, of whom {decided(differences)} differ"
        return Gate("difference", "blocked", f"{metric} {found.mean:+.5f}: {few}, too few to say", _finite(found.low), margin)
    better = beyond(differences, found, margin)
    said = f"{metric} {found.mean:+.5f} [{found.low:+.5f}, {found.high:+.5f}] over {users} users"
    said = said if better else f"{said} is not above {margin:+g}"
    return Gate("difference", "ok" if better else "blocked", said, _finite(found.low), margin)


def drift_gate(drift: Mapping[str, Any] | None, mode: Literal["block", "warn"]) -> Gate:
    """Whether the newest rows are like those before, as `recsys_cl.ingest.versions.drift` judged them."""
    verdict = "unknown" if drift is None else str(drift["verdict"])
    amiss = [str(check["name"]) for check in (drift or {}).get("checks", ()) if check["verdict"] == "drift"]
    said = f"{verdict} ({', '.join(amiss)})" if amiss else verdict
    if verdict == "ok":
        return Gate("drift", "ok", said)
    serious = mode == "block" and verdict != "warning"
    return Gate("drift", "blocked" if serious else "warning", said)


def leakage_gate(audit: Mapping[str, Any] | None) -> Gate:
    """No leak may have been found; that nobody looked is no better."""
    if audit is None:
        return Gate("leakage", "blocked", "no audit is kept; run the pipeline again")
    leaks = [str(check["name"]) for check in audit["checks"] if check["verdict"] == "leak"]
    if leaks:
        return Gate("leakage", "blocked", f"leak ({', '.join(leaks)})", len(leaks), 0)
    return Gate("leakage", "warning" if audit["verdict"] == "warning" else "ok", str(audit["verdict"]), 0, 0)


def coverage_gate(test: Mapping[str, float], depth: str, floor: float) -> Gate:
    """The lists of all users together must hold a share of the catalogue of at least ``floor``, at ``depth``."""
    name = f"coverage@{depth}"
    if not depth or name not in test:
        return Gate("coverage", "blocked" if floor else "ok", f"{name} was not measured", None, floor)
    low = test[name] < floor
    return Gate("coverage", "blocked" if low else "ok", f"{name} {test[name]:.4f}", test[name], floor)


def latency_gate(bundle: Bundle, limit: float | None, k: int) -> Gate:
    """Of answers to one known user at a time, the 95th percentile must not be above ``limit`` milliseconds."""
    if limit is None:
        return Gate("latency", "ok", "not asked for")
    found = answer_milliseconds(bundle, k)
    return Gate("latency", "blocked" if found > limit else "ok", f"{found:.2f} ms at the 95th percentile", found, limit)


def answer_milliseconds(bundle: Bundle, k: int, answers: int = _ANSWERS) -> float:
    """The 95th percentile of the time of one answer: ``k`` items for one user, over ``answers`` of them after a first."""
    from recsys_cl.serving.answer import recommend

    k = min(k, len(bundle.item_ids))
    asked = [str(bundle.user_ids[place % len(bundle.user_ids)]) for place in range(answers)]
    recommend(bundle, asked[:1], k)  # the first answer pays for what is loaded on the way
    taken = []
    for user in asked:
        began = perf_counter()
        recommend(bundle, [user], k)
        taken.append(1000 * (perf_counter() - began))
    return float(np.percentile(taken, 95))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
