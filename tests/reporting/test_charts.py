"""Every value has a mark that says it; what is not finite has none."""

from __future__ import annotations

import re

import pytest

from recsys_cl.reporting.charts.bars import bars
from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.cloud import REST, cloud
from recsys_cl.reporting.charts.drawing import Canvas, drawing
from recsys_cl.reporting.charts.lines import MOST, lines
from recsys_cl.reporting.charts.marks import marks
from recsys_cl.reporting.charts.periods import periods
from recsys_cl.reporting.charts.points import points
from recsys_cl.reporting.charts.spans import spans
from recsys_cl.reporting.charts.tail import tail
from recsys_cl.reporting.charts.whiskers import whiskers
from recsys_cl.reporting.evidence import Difference, ItemMap

NAN, INF = float("nan"), float("inf")
LOOKS = marks(["a", "b", "c"])


def titles(chart: Chart | None) -> list[str]:
    assert chart is not None
    return re.findall(r"<title>(.*?)</title>", chart.svg)


def test_a_line_tells_every_point_and_leaves_out_what_is_not_finite() -> None:
    chart = lines("t", {"a": [(1, 0.5), (2, NAN), (3, 0.25)], "b": [(1, INF)], "c": []}, LOOKS, "epoch", "loss")
    assert titles(chart) == ["a, epoch 1: 0.5000", "a, epoch 3: 0.2500"]
    assert chart is not None
    assert [name for name, _ in chart.legend] == ["a"]
    assert [cell.text for cell in chart.table.rows[1]] == ["3", "0.2500"]
    assert lines("t", {"a": [(1, 1.0)]}, LOOKS, "x", "y") is None


def test_a_long_line_is_thinned_but_keeps_its_ends() -> None:
    told = titles(lines("t", {"a": [(n, float(n)) for n in range(1, 1001)]}, LOOKS, "epoch", "y"))
    assert len(told) <= MOST + 1
    assert told[0].startswith("a, epoch 1:")
    assert told[-1].startswith("a, epoch 1,000:")


def test_bars_points_and_periods_tell_their_values() -> None:
    assert titles(bars("t", ["head", "tail"], {"a": [0.5, None], "b": [NAN, 0.25]}, LOOKS, "ndcg")) == [
        "a, head: 0.5000",
        "b, tail: 0.2500",
    ]
    assert bars("t", ["head"], {"a": [None]}, LOOKS, "ndcg") is None
    assert titles(points("t", {"a": (0.5, 0.25), "b": (INF, 1.0)}, LOOKS, "coverage", "ndcg")) == [
        "a: coverage 0.5, ndcg 0.2500"
    ]
    stretches = [{"start": "2024-01-01T00:00", "a": 5, "b": 0}, {"start": "2024-01-08T00:00", "a": 0, "b": 7}]
    assert titles(periods("t", stretches, ["a", "b"], LOOKS, "events")) == ["2024-01-01, a: 5", "2024-01-08, b: 7"]


def test_the_tail_and_the_split_tell_theirs() -> None:
    assert titles(tail("t", [(1, 1000), (10, 3)], "interactions")) == ["rank 1: 1,000 interactions", "rank 10: 3 interactions"]
    part = {"interactions": 12, "first": "2024-01-01T00:00:00+00:00", "last": "2024-02-01T00:00:00+00:00"}
    instant = {"interactions": 1, "first": part["first"], "last": part["first"]}
    nothing = {"interactions": 0, "first": None, "last": None}
    told = titles(spans("t", {"a": part, "b": instant, "c": nothing}, LOOKS))
    assert told == ["b, 1 interactions from 2024-01-01 to 2024-01-01", "a, 12 interactions from 2024-01-01 to 2024-02-01"]


def test_differences_are_filled_only_where_significant() -> None:
    def one(name: str, mean: float, mark: str) -> Difference:
        return Difference(name, "ndcg@20", mean, mean - 1, mean + 1, None, 0.01, None, reliable=True, mark=mark)

    chart = whiskers("t", [one("a", 2.0, "higher"), one("b", 0.5, ""), one("c", NAN, "")], "base")
    assert titles(chart) == ["b: +0.5000 [\u22120.5000, +1.5000], p = 0.01.", "a: +2.0000 [+1.0000, +3.0000], p = 0.01."]
    assert chart is not None
    hollow, filled = re.findall(r"<use [^>]*><title>", chart.svg)
    assert ("fill: var(--paper)" in hollow, "fill: var(--paper)" in filled) == (True, False)


def test_the_map_names_the_frequent_categories_and_quietly_the_rest() -> None:
    categories = [name for number, name in enumerate("abcdefghij") for _ in range(12 - number)] + [""] * 30
    where = [(float(n), float(-n), category, f"item {n}") for n, category in enumerate(categories)]
    chart = cloud(ItemMap("sgl", "PCA", "all of them.", where))
    assert chart is not None
    assert [name for name, _ in chart.legend] == [*"abcdefg", REST]
    assert len(titles(chart)) == len(where)
    assert [row[1].text for row in chart.table.rows][-1] == str(30 + 5 + 4 + 3)
    assert chart.note == "all of them."
    assert cloud(ItemMap("sgl", "PCA", "", [(NAN, 1.0, "a", "x")])) is None
    plain = cloud(ItemMap("sgl", "PCA", "all of them.", [(x, y, "", text) for x, y, _, text in where]))
    assert plain is not None
    assert (list(plain.legend), plain.note) == ([], "all of them. No category is known of any.")


def test_bars_of_one_hue_are_told_apart_by_their_filling() -> None:
    names = [f"r{n}" for n in range(9)]
    chart = bars("By age", ["old", "new"], {name: [0.1, 0.2] for name in names}, marks(names), "ndcg@20")
    assert chart is not None
    first, ninth = (re.findall(rf'<path [^>]*style="([^"]*)"[^>]*><title>{name}, old', chart.svg) for name in ("r0", "r8"))
    assert ("fill: var(--s0)" in first[0], "fill: var(--paper)" in ninth[0]) == (True, True)
    assert "stroke: var(--s0)" in ninth[0]


def test_a_mark_without_a_value_is_an_error_of_ours() -> None:
    def draw(canvas: Canvas) -> None:
        (line,) = canvas.axes.plot([1, 2, 3], [1, 2, 3], marker="o")
        canvas.tell(line, ["one", "two"])

    with pytest.raises(ValueError, match="3 marks were drawn for 2 values"):
        drawing(draw, "salt")
