"""Machines and pull requests get what people get: the same numbers, null for what is none, and no markup from data."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.machine import as_json, metrics_table
from recsys_cl.reporting.markdown import escaped, markdown
from tests.reporting.made_up import HOSTILE, hostile


def test_every_recipe_and_metric_is_one_row(whole: Evidence) -> None:
    rows = metrics_table(whole).to_pylist()
    assert [(row["recipe"], row["metric"]) for row in rows] == [(t.name, m) for t in whole.trials for m in t.test]
    mine = next(row for row in rows if (row["recipe"], row["metric"]) == ("xsimgcl", "ndcg@20"))
    assert (mine["mean"], mine["low"], mine["high"]) == (0.15, 0.15 - 0.01, 0.16)
    assert (mine["baseline"], mine["difference"], mine["p"], mine["mark"]) == ("popular", 0.05, 0.01, "higher")
    alone = next(row for row in rows if (row["recipe"], row["metric"]) == ("popular", "ndcg@20"))
    assert (alone["difference"], alone["p"], alone["reliable"], alone["mark"]) == (None, None, None, "")


def test_what_is_not_finite_is_null(whole: Evidence) -> None:
    spoilt = replace(whole.trials[1], test={"ndcg@20": float("nan")}, intervals={"ndcg@20": (-float("inf"), 1.0)})
    shown = replace(whole, trials=[spoilt])
    (row,) = metrics_table(shown).to_pylist()
    assert (row["mean"], row["low"], row["high"]) == (None, None, 1.0)
    told = json.loads(json.dumps(as_json(shown), allow_nan=False))
    assert told["trials"][0]["test"]["ndcg@20"] is None
    assert told["headline"] == whole.headline


def test_what_was_ranked_is_told(whole: Evidence) -> None:
    assert as_json(whole)["ranked"] == "the whole catalogue"
    assert "Exact ranking of the whole catalogue for the test part." in markdown(whole)
    some = replace(whole, counts={"outside_candidates": 7}, conventions={"candidates": "all with domain = films"})
    assert as_json(some)["ranked"] == "the candidates (all with domain = films)"
    assert "Exact ranking of the candidates &#40;all with domain = films&#41; for the test part." in markdown(some)


def test_the_markdown_is_the_table_at_one_depth(whole: Evidence) -> None:
    lines = markdown(whole).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(whole.trials)
    assert {line.count("|") for line in table} == {8}
    assert table[2] == "| xsimgcl | **0.2250** ▲ | **0.1500** ▲ | **0.5500** | 12 | 3 | 1.5 s |"
    assert "recall@20" in table[0]
    assert "recall@10" not in table[0]


def test_hostile_text_has_no_meaning_in_markdown() -> None:
    text = markdown(hostile())
    assert "<" not in text
    assert not re.search(r"\]\(|@team|^=|javascript:", text, re.MULTILINE)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {8}, "no cell is torn"
    assert max(map(len, text.splitlines())) < 13_000
    assert escaped(HOSTILE).startswith("&#60;script")
