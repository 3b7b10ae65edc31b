"""Evidence with something in every section, as small as that can be; and text that would like to be more than text."""

from __future__ import annotations

from dataclasses import replace

from recsys_cl.reporting.evidence import Comparison, Difference, Evidence, Example, ItemMap, Trial

HOSTILE = (
    '<script>window.hacked=1</script><img src=x onerror="window.hacked=2"></title></svg><svg onload=hacked=3>'
    "{{ 7 * 7 }} =cmd|' /C calc'!A0 | [a](javascript:alert(1)) @team $x^2$ \u202egnp.exe\u200f"
)
LONG = "x" * 10_000
SPLIT = {"name": "time", "split": {"use": "time"}}


def trial(name: str, ndcg: float, *, parameters: int = 10) -> Trial:
    history = [{"step": n, "loss/bpr": 1 / n, "loss/l2": 0.01 * n, "valid/ndcg@20": ndcg - 0.1 / n} for n in range(1, 5)]
    segments = [
        {
            "by": "item_popularity",
            "segment": name,
            "users": 90,
            "held_out": 400,
            "share": {"ndcg@20": value / 2},
            "metrics": {"ndcg@20": value},
        }
        for name, value in (("head", ndcg * 1.5), ("tail", ndcg / 2))
    ]
    return Trial(
        name=name,
        title=f"Title of {name}",
        paper="A paper, 2024",
        family="graph" if parameters else "baseline",
        epochs=3 if parameters else 0,
        seconds=1.5 if parameters else 0.0,
        parameters=parameters,
        valid={"ndcg@20": ndcg},
        test={"recall@10": ndcg, "recall@20": ndcg * 1.5, "ndcg@10": ndcg * 0.9, "ndcg@20": ndcg, "coverage@20": 0.4 + ndcg},
        history=history if parameters else [],
        settings={"encoder": {"use": "mf", "dim": 64}},
        searched=12 if parameters else 0,
        intervals={"ndcg@20": (ndcg - 0.01, ndcg + 0.01)},
        recall=[ndcg * k / 20 for k in range(1, 21)],
        popularity=200 * (1 - ndcg),
        segments=segments,
        representation={"alignment": 0.5, "uniformity": -1.5 - ndcg, "effective_rank": 12.25},
    )


def difference(recipe: str, metric: str, mean: float, mark: str) -> Difference:
    return Difference(
        recipe, metric, mean, mean - 0.02, mean + 0.02, mean / 0.1, 0.01 if mark else 0.5, 0.4, reliable=True, mark=mark
    )


def evidence() -> Evidence:
    """Three recipes; xsimgcl is better than popular, lightgcn cannot be told from it."""
    names = ["popular", "xsimgcl", "lightgcn"]
    differences = [
        *(difference("xsimgcl", metric, 0.05, "higher") for metric in ("recall@20", "ndcg@20")),
        difference("lightgcn", "ndcg@20", 0.01, ""),
        difference("lightgcn", "recall@20", -0.04, "lower"),
    ]
    points = [(n / 10, -n / 7, ("book", "film", "")[n % 3], f"item {n}") for n in range(12)]
    return Evidence(
        pipeline="demo",
        metric="ndcg@20",
        trials=[trial("popular", 0.1, parameters=0), trial("xsimgcl", 0.15), trial("lightgcn", 0.11)],
        comparison=Comparison(
            "xsimgcl beats the best baseline, popular, by +50.0 % [-3.0, 70.0] ndcg@20.",
            "popular",
            ["popular"],
            900,
            differences,
        ),
        counts={"users": 900, "held_out": 4000, "cold_users": 3, "cold_items": 7, "openings": 8},
        data=data(),
        examples=[Example("u1", ["a"], {name: [("b", True), ("c", False)] for name in names})],
        maps=[ItemMap("xsimgcl", "PCA", "The two axes hold 60% of the variance.", points)],
        audit={
            "verdict": "ok",
            "checks": [{"name": "overlap", "verdict": "ok", "count": 0, "what": "of parts", "examples": []}],
        },
        protocols={
            "metric": "ndcg@20",
            "protocols": [SPLIT, {"name": "leave-last-out", "split": {}}],
            "recipes": names,
            "means": [[0.1, 0.15, 0.11], [0.2, 0.1, 0.3]],
            "ranks": [[3, 1, 2], [2, 3, 1]],
            "tau": [[1.0, -0.33], [-0.33, 1.0]],
        },
        facts={"seed": "1", "train (sha256)": "ab" * 32},
        commands=["recsys-cl run pipelines/demo.toml"],
        conventions={"ndcg": "by log2"},
        larger_is_better={"ndcg@20": True, "recall@20": True, "coverage@20": True},
    )


def data() -> dict[str, object]:
    def part(rows: int, first: str, last: str) -> dict[str, object]:
        return {
            "interactions": rows,
            "users": 9,
            "items": 8,
            "of_cold_users": 0,
            "of_cold_items": 1,
            "first": first,
            "last": last,
        }

    days = [f"2024-01-{day:02}T00:00:00+00:00" for day in (1, 8, 15, 22)]
    return {
        "users": 1200,
        "items": 300,
        "density": 0.0312,
        "rows": {"logged": 1300, "repeats": 20},
        "periods": [{"start": day, "train": 20 - 5 * n, "valid": n, "test": 2 * n} for n, day in enumerate(days)],
        "popularity": [(1, 50), (2, 20), (3, 5), (10, 1)],
        "user_activity": {"histogram": [{"from": 1, "below": 2, "count": 3}, {"from": 2, "below": 4, "count": 9}]},
        "parts": {
            "train": part(1000, days[0], days[1]),
            "valid": part(100, days[1], days[2]),
            "test": part(200, days[2], days[3]),
        },
        "drift": {
            "verdict": "warning",
            "checks": [{"name": "popularity", "value": 0.31, "threshold": 0.2, "verdict": "warning"}],
        },
    }


def hostile() -> Evidence:
    """Every text that comes from data is hostile or ten thousand characters long."""
    whole = evidence()
    bad = HOSTILE
    assert whole.comparison is not None
    trials = [
        whole.trials[0],
        replace(
            whole.trials[1], name=bad, title=bad, paper=LONG, family=bad, settings={bad: [bad, LONG]}, representation={bad: 1.0}
        ),
        replace(
            whole.trials[2],
            name=LONG,
            segments=[
                {"by": bad, "segment": s, "users": 1, "held_out": 1, "share": {"ndcg@20": 1.0}, "metrics": {"ndcg@20": 1.0}}
                for s in (bad, LONG)
            ],
        ),
    ]
    points = [(float(n), float(-n), (bad, LONG)[n % 2], (LONG, bad)[n % 2]) for n in range(6)]
    check = {"name": bad, "verdict": bad, "count": 1, "what": LONG, "examples": [bad, LONG]}
    return replace(
        whole,
        pipeline=bad,
        trials=trials,
        comparison=replace(
            whole.comparison,
            headline=f"{bad} beats {LONG}",
            baseline=bad,
            differences=[difference(LONG, "ndcg@20", 0.01, "higher"), difference("popular", "ndcg@20", 0.01, "")],
        ),
        examples=[Example(bad, [bad, LONG], {bad: [(bad, True), (LONG, False)]})],
        maps=[ItemMap(bad, bad, bad, points)],
        audit={"verdict": bad, "checks": [check]},
        protocols={**(whole.protocols or {}), "recipes": [bad, LONG, "popular"], "protocols": [{"name": bad}, {"name": LONG}]},
        facts={bad: LONG},
        commands=[bad],
        conventions={bad: LONG},
    )
