"""The table after a run: what decided, at the depths that were measured, and what was ranked."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_cl.console import Console, headline
from recsys_cl.core.files import write_json
from recsys_cl.stages.pipeline import Line, Result


def result(report: Path | None, **test: float) -> Result:
    measured = {name.replace("_at_", "@"): value for name, value in test.items()}
    lines = tuple(Line(name, None, 3, 1.5, {}, measured) for name in ("popular", "ease"))
    return Result("shop", (), lines, report, None, "sqlite://")


@pytest.mark.parametrize(
    ("measured", "selecting", "shown"),
    [
        (
            ["recall@10", "recall@20", "ndcg@10", "ndcg@20", "map@10", "map@20", "coverage@10", "coverage@20"],
            "ndcg@20",
            ["recall@10", "recall@20", "ndcg@10", "ndcg@20", "coverage@20"],
        ),
        (["recall@100", "ndcg@5", "recall@5", "coverage@5"], "recall@5", ["recall@5", "recall@100", "ndcg@5"]),
        (["map@5", "recall@5", "auc"], "map@5", ["map@5", "recall@5"]),
        (["map@5", "auc", "map@5"], "", ["map@5", "auc"]),
        ([], "ndcg@20", []),
    ],
)
def test_the_headline_is_what_there_is_of_it_and_what_decided(measured: list[str], selecting: str, shown: list[str]) -> None:
    assert headline(measured, selecting) == shown


def test_the_table_shows_what_decided_and_what_was_ranked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(tmp_path / "report.json", {"metric": "map@5", "ranked": "the candidates (domain = [films])"})
    Console().table(result(tmp_path / "index.html", map_at_5=0.25, recall_at_5=0.125))
    told = capsys.readouterr().out
    assert "shop: test part, exact ranking of the candidates (domain = [films])" in " ".join(told.split())
    assert told.index("map@5") < told.index("recall@5")
    assert told.count("0.2500") == told.count("0.1250") == 2


def test_before_there_is_a_report_the_table_says_less(capsys: pytest.CaptureFixture[str]) -> None:
    Console().table(result(None, ndcg_at_7=0.5))
    told = capsys.readouterr().out
    assert "shop: test part, exact ranking" in told
    assert "exact ranking of" not in told
    assert "ndcg@7" in told
