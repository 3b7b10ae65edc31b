"""What drifts is found, what does not is left alone; the statistics against scipy's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from recsys_cl.ingest.engine import engine
from recsys_cl.ingest.versions.divergence import ks, ks_by_chance, psi, psi_by_chance
from recsys_cl.ingest.versions.drift import beside, drift

from .conftest import Keeper

DAY, WEEK = 24, 168
NONE = frozenset[str]()


def test_psi_and_ks_are_the_textbook_ones() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(1, 100, 12), rng.integers(1, 100, 12)
    p, q = (one + 0.5) / (one + 0.5).sum(), (other + 0.5) / (other + 0.5).sum()
    assert psi(one, other) == pytest.approx(sum((b - a) * np.log(b / a) for a, b in zip(p, q, strict=True)))
    assert psi(one, other) == pytest.approx(psi(other, one))
    assert psi(one, one) == 0
    values = np.arange(12)
    assert ks(one, other) == pytest.approx(stats.ks_2samp(np.repeat(values, one), np.repeat(values, other)).statistic)


@pytest.mark.parametrize("bins", [2, 10, 30, 168])
def test_what_chance_exceeds_once_in_a_thousand(bins: int) -> None:
    assert psi_by_chance(bins, 1000, 4000) == pytest.approx(
        stats.chi2.ppf(0.999, bins - 1) * (1 / 1000 + 1 / 4000), rel=0.035
    )  # Wilson and Hilferty are worst at one degree of freedom
    assert ks_by_chance(1000, 4000) == pytest.approx(stats.kstwobign.ppf(0.999) / np.sqrt(800), rel=0.01)


class Shop:
    """A stationary log: users come in sessions by the hour of the week, and take items of Zipf's popularity."""

    def __init__(self, seed: int, users: int = 3_000, items: int = 800) -> None:
        self.rng = np.random.default_rng(seed)
        self.items = (np.arange(items) + 8.0) ** -0.9
        self.activity = self.rng.lognormal(0, 0.8, users)
        self.hours = 1 + 0.8 * np.sin(np.arange(WEEK) * 2 * np.pi / DAY) + 0.2 * (np.arange(WEEK) > 5 * DAY)

    def log(self, begin: int, hours: int, rate: float, popularity: np.ndarray | None = None) -> dict[str, pa.Table]:
        """Counts of the events of so many hours; ``rate`` sessions an hour, of three events each on average."""
        span = np.arange(begin, begin + hours)
        sessions = np.repeat(span, self.rng.poisson(rate * self.hours[span % WEEK]))
        user = self.rng.choice(len(self.activity), len(sessions), p=self.activity / self.activity.sum())
        length = self.rng.geometric(1 / 3, len(sessions))
        weight = self.items if popularity is None else popularity
        item = self.rng.choice(len(weight), length.sum(), p=weight / weight.sum())
        columns = {"users": np.repeat(user, length), "items": item, "hours": np.repeat(sessions, length)}
        columns["ratings"] = self.rng.integers(1, 6, length.sum()).astype(float)
        return {name: _counted(values) for name, values in columns.items()}


def _counted(values: np.ndarray) -> pa.Table:
    keys, rows = np.unique(values, return_counts=True)
    return pa.table({"key": keys, "rows": rows})


def judged(folder: Path, before: dict[str, pa.Table], came: dict[str, pa.Table]) -> dict[str, Any]:
    with engine(folder, "500MB", 1) as run:
        users, items = (beside(run, before[name], came[name]) for name in ("users", "items"))
    hours, ratings = ((before[name], came[name]) for name in ("hours", "ratings"))
    return drift(1, users, items, hours, ratings, (NONE, NONE))


@pytest.mark.slow
def test_the_rate_of_false_alarms_on_stationary_logs(tmp_path: Path) -> None:
    """Measured: 1 alarm in 808 checks, on quarters of days to weeks of stationary shops, small and large, young and old."""
    alarms, judgements = [], 0
    for seed in range(8):
        shop = Shop(seed)
        for weeks, rate in ((1, 2), (6, 4), (20, 20)):
            before = shop.log(440_000, weeks * WEEK, rate)
            for hours in (6, DAY, DAY, 2 * DAY, WEEK):
                found = judged(tmp_path, before, shop.log(440_000 + weeks * WEEK, hours, rate))
                judgements += len(found["checks"])
                alarms.extend((seed, weeks, hours, check) for check in found["checks"] if check["verdict"] != "ok")
    print(f"{len(alarms)} alarms in {judgements} checks")  # noqa: T201 - the rate is what this test is for
    assert len(alarms) <= 0.005 * judgements, alarms


CHANGES = {
    "item_popularity_psi": lambda shop, at: shop.log(at, DAY, 30, popularity=shop.items[::-1]),
    "volume_log_ratio": lambda shop, at: shop.log(at, DAY, 400),
    "hour_of_week_psi": lambda shop, at: {
        **(log := shop.log(at, DAY, 30)), "hours": log["hours"].set_column(0, "key", pa.array(at + (log["hours"]["key"].to_numpy() - at + 12) % DAY)),
    },
    "unknown_items": lambda shop, at: {
        **(log := shop.log(at, DAY, 30)), "items": log["items"].set_column(0, "key", pa.array(log["items"]["key"].to_numpy() + 9_000)),
    },
    "unknown_users": lambda shop, at: {
        **(log := shop.log(at, DAY, 30)), "users": log["users"].set_column(0, "key", pa.array(log["users"]["key"].to_numpy() + 9_000)),
    },
    "rating_ks": lambda shop, at: {**(log := shop.log(at, DAY, 30)), "ratings": log["ratings"].slice(3)},
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_is_named(name: str, tmp_path: Path) -> None:
    shop = Shop(7)
    before = shop.log(440_000, 6 * WEEK, rate=30)
    found = judged(tmp_path, before, CHANGES[name](shop, 440_000 + 6 * WEEK))
    verdicts = {check["name"]: check["verdict"] for check in found["checks"]}
    assert verdicts[name] == "drift"
    assert found["verdict"] == "drift"
    assert found["against"] == 1


def test_the_first_version_has_nothing_to_differ_from_and_drift_blocks_nothing(keeper: Keeper) -> None:
    first = keeper.add(keeper.log("a.csv", [(f"u{n % 50}", f"i{n % 20}", 3600 * n) for n in range(1000)]))
    assert first["drift"] == {"verdict": "ok", "against": None, "checks": []}
    other = keeper.add(keeper.log("b.csv", [(f"x{n}", f"y{n}", 3600 * (1000 + n)) for n in range(500)]))
    assert (other["version"], other["drift"]["verdict"], other["drift"]["against"]) == (2, "drift", 1)
    assert {"name", "value", "threshold", "verdict"} <= set(other["drift"]["checks"][0])


def test_a_handful_of_strangers_is_no_drift(keeper: Keeper) -> None:
    keeper.add(keeper.log("a.csv", [(f"u{n % 50}", f"i{n % 20}", 3600 * n) for n in range(1000)]))
    few = keeper.add(keeper.log("b.csv", [("x", "i1", 3_600_000), ("y", "i2", 3_603_600), ("z", "i3", 3_607_200)]))
    assert few["drift"]["verdict"] == "ok", few["drift"]


def test_a_lost_column_is_a_warning(keeper: Keeper) -> None:
    rated = "user_id,item_id,timestamp,rating\n" + "".join(f"u{n % 9},i{n % 5},{n * 600},4\n" for n in range(900))
    plain = "user_id,item_id,timestamp\n" + "".join(f"u{n % 9},i{n % 5},{n * 600}\n" for n in range(900, 1200))
    keeper.add(keeper.log("a.csv", rated))
    checks = {c["name"]: c["verdict"] for c in keeper.add(keeper.log("b.csv", plain))["drift"]["checks"]}
    assert checks["columns_changed"] == "warning"
    assert "rating_ks" not in checks
