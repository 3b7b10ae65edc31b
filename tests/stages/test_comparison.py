"""Planted values per user: who beats whom, by how much, and what may be said of it, is known beforehand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import write_json
from recsys_cl.evaluation.compare import Difference, Interval
from recsys_cl.stages.comparison import baselines_of, compare_evaluations
from recsys_cl.stages.difference import describe

USERS = 800
VALUES = np.linspace(0.1, 0.9, USERS)
FAMILIES = {"popular": "baseline", "ease": "baseline"} | dict.fromkeys(("mf-softmax", "xsimgcl", "simgcl", "sgl-edge"), "graph")


def noise(name, scale=0.05):
    """Of one recipe; it averages to nothing, so that a planted gain is the mean gain."""
    drawn = np.random.default_rng(list(name.encode())).normal(0, scale, USERS)
    return drawn - drawn.mean()


def add(root, name, gain, users=USERS, digest="d" * 64, metrics=("ndcg@20", "recall@20"), spoil=None, scale=0.05, **facts):
    """An evaluation whose users gain so much, but for noise; its rows are in an order of their own."""
    folder = root / name
    folder.mkdir(parents=True)
    columns = {
        metric: VALUES[:users] + (gain if place == 0 else 0) + (noise(name, scale)[:users] if gain else 0)
        for place, metric in enumerate(metrics)
    }
    if spoil is not None:
        columns[metrics[0]][3] = spoil
    frame = pd.DataFrame({"user": range(users), "user_id": [f"u{i}" for i in range(users)], "held_out": 1, **columns})
    frame.sample(frac=1, random_state=len(name)).to_parquet(folder / "per_user.parquet", index=False)
    write_json(folder / "metrics.json", {"test": {}, "test_digest": digest, **facts})
    return folder


def table(root, gains, families=FAMILIES, metric="ndcg@20", chosen=None, **shared):
    folders = {name: add(root, name, gain, **shared) for name, gain in gains.items()}
    return compare_evaluations(folders, families, metric, torch.Generator().manual_seed(0), resamples=500, chosen=chosen)


def row(found, recipe, metric="ndcg@20"):
    [one] = [row for row in found["rows"] if (row["recipe"], row["metric"]) == (recipe, metric)]
    return one


def test_the_winner_is_said_to_win_by_what_was_planted(tmp_path):
    found = table(tmp_path, {"popular": 0.0, "ease": 0.1, "mf-softmax": 0.05, "xsimgcl": 0.16})
    assert found["baselines"] == ["popular", "ease", "mf-softmax"]
    assert found["best_baseline"] == "ease"
    ours = row(found, "xsimgcl")
    assert ours["difference"] == pytest.approx(0.06)
    assert ours["relative"] == pytest.approx(0.1)  # of 0.5 + 0.1
    assert ours["interval"][0] <= 0.06 <= ours["interval"][1]
    assert found["headline"].startswith("xsimgcl beats the best baseline, ease, by +10.0 % [9.")
    json.dumps(found, allow_nan=False)


def test_what_does_not_win_is_not_said_to(tmp_path):
    found = table(tmp_path, {"popular": 0.0, "ease": 0.2, "xsimgcl": 0.1})
    assert found["headline"].startswith("No recipe beats ease here: xsimgcl, the best of them, is at -14.3 % [")
    assert row(found, "xsimgcl")["mark"] == "lower"


def test_the_headline_is_about_what_validation_chose(tmp_path):
    gains = {"popular": 0.0, "xsimgcl": 0.2, "sgl-edge": 0.3, "simgcl": -0.1}
    assert table(tmp_path, gains, chosen="xsimgcl")["headline"].startswith("xsimgcl beats the best baseline, popular, by +")
    told = table(tmp_path / "worse", gains, chosen="simgcl")["headline"]
    assert told.startswith("simgcl, chosen on validation, does not beat popular: -")
    assert told.endswith("; sgl-edge does, in hindsight.")
    alone = table(tmp_path / "alone", {"popular": 0.0, "simgcl": -0.1, "sgl-edge": -0.05}, chosen="simgcl")["headline"]
    assert alone.startswith("No recipe beats popular here: simgcl, chosen on validation, is at -")


def test_a_difference_within_chance_has_no_mark(tmp_path):
    found = table(tmp_path, {"popular": 0.0, "xsimgcl": 0.001})
    assert row(found, "xsimgcl")["mark"] == ""
    assert row(found, "xsimgcl")["reliable"] is True
    assert found["headline"].startswith("No recipe beats popular here")


def test_few_users_carry_no_claim(tmp_path):
    found = table(tmp_path, {"popular": 0.0, "xsimgcl": 0.3}, users=400)
    assert row(found, "xsimgcl")["reliable"] is False
    assert row(found, "xsimgcl")["mark"] == ""
    assert found["headline"].startswith("Too few users to say whether any recipe beats popular: xsimgcl")


def test_a_number_of_all_lists_together_is_shown_and_not_tested(tmp_path):
    found = table(tmp_path, {"ease": 0.0, "xsimgcl": 0.1}, metrics=("ndcg@20", "coverage@20", "gini@20"))
    for metric in ("coverage@20", "gini@20"):
        shown = row(found, "xsimgcl", metric)
        assert shown["mean"] > 0
        assert (shown["difference"], shown["adjusted_p"], shown["mark"]) == (None, None, "")
    assert row(found, "xsimgcl")["adjusted_p"] == row(found, "xsimgcl")["p"], "Holm pays for one row"
    with pytest.raises(Refused, match="'coverage@20' is one number of all lists together"):
        table(tmp_path / "by", {"ease": 0.0, "xsimgcl": 0.1}, metrics=("ndcg@20", "coverage@20"), metric="coverage@20")


def test_the_best_baseline_is_read_against_nothing(tmp_path):
    found = table(tmp_path, {"popular": 0.0, "ease": 0.1, "xsimgcl": 0.2})
    assert {key for key, value in row(found, "ease").items() if value is None} >= {"difference", "interval", "adjusted_p"}
    assert row(found, "ease")["mark"] == ""
    assert row(found, "ease")["mean"] == pytest.approx(0.6)
    assert row(found, "popular")["mark"] == "lower"


def test_holm_pays_for_every_row_that_is_compared(tmp_path):
    found = table(tmp_path, {"popular": 0.098, "ease": 0.1, "xsimgcl": 0.105}, metrics=("ndcg@20",))
    ours, popular = row(found, "xsimgcl"), row(found, "popular")
    assert 0.001 < ours["p"] < 0.2 < popular["p"] < 1
    assert ours["adjusted_p"] == pytest.approx(2 * ours["p"])
    assert popular["adjusted_p"] == pytest.approx(popular["p"])  # the larger of two keeps its own


def test_a_mark_needs_the_corrected_test_the_interval_and_users():
    sure = Difference(Interval(0.1, 0.05, 0.15), 0.3, 0.01, 0.01, 0.04, 600, 600, reliable=True)
    assert describe(sure, 1.0)["mark"] == "higher"
    for doubt in ({"adjusted": 0.06}, {"reliable": False}, {"interval": Interval(0.1, -0.01, 0.2)}):
        assert describe(replace(sure, **doubt), 1.0)["mark"] == ""


def test_a_high_mean_by_luck_does_not_stand_before_a_sure_win(tmp_path):
    folders = {"popular": add(tmp_path, "popular", 0.0), "sgl": add(tmp_path, "sgl", 0.02)}
    folders["xsimgcl"] = add(tmp_path, "xsimgcl", 0.03, scale=3.0)
    found = compare_evaluations(folders, {**FAMILIES, "sgl": "graph"}, "ndcg@20", torch.Generator(), resamples=200)
    assert row(found, "xsimgcl")["mean"] > row(found, "sgl")["mean"]
    assert found["headline"].startswith("sgl beats the best baseline, popular, by +4.0 %")


def test_no_recipe_but_the_strong_ones_leaves_them_to_be_judged(tmp_path):
    assert baselines_of({"popular": "baseline", "mf-softmax": "graph"}) == ["popular"]
    assert baselines_of({"mf-softmax": "graph", "popular": "baseline", "sgl": "graph"}) == ["mf-softmax", "popular"]
    found = table(tmp_path, {"popular": 0.0, "mf-softmax": 0.1}, {"popular": "baseline", "mf-softmax": "graph"})
    assert found["headline"].startswith("mf-softmax beats the best baseline, popular, by +20.0 %")


def test_only_baselines_or_none_are_said_so(tmp_path):
    only = table(tmp_path / "a", {"popular": 0.0, "ease": 0.1}, {"popular": "baseline", "ease": "baseline"})
    assert only["headline"] == "Only baselines were measured; ease leads with 0.6000 ndcg@20."
    none = table(tmp_path / "b", {"sgl": 0.0, "xsimgcl": 0.1}, {"sgl": "graph", "xsimgcl": "graph"})
    assert (none["best_baseline"], none["headline"]) == (None, "No baseline was measured; xsimgcl leads with 0.6000 ndcg@20.")
    assert all(one["difference"] is None for one in none["rows"])


def test_a_baseline_at_zero_has_no_percentages(tmp_path):
    folders = {name: add(tmp_path, name, gain) for name, gain in (("popular", 0.0), ("xsimgcl", 0.0))}
    for name, value in (("popular", 0.0), ("xsimgcl", 0.25)):
        frame = pd.read_parquet(folders[name] / "per_user.parquet").assign(**{"ndcg@20": value})
        frame.to_parquet(folders[name] / "per_user.parquet", index=False)
    found = compare_evaluations(folders, FAMILIES, "ndcg@20", torch.Generator(), resamples=50)
    assert row(found, "xsimgcl")["relative"] is None
    assert row(found, "xsimgcl")["effect_size"] is None
    assert "by +0.2500 [0.2500, 0.2500] ndcg@20" in found["headline"]
    json.dumps(found, allow_nan=False)


def test_what_cannot_be_paired_is_refused_naming_both(tmp_path):
    folders = {"popular": add(tmp_path, "popular", 0.0, digests={"train": "1" * 64})}
    for name, wrong, message in (
        (
            "other-test",
            {"digest": "e" * 64},
            f"'popular' and evaluation 'other-test' .* different test parts .{'d' * 64} and {'e' * 64}",
        ),
        ("other-train", {"digests": {"train": "2" * 64}}, f"different train parts .{'1' * 64} and {'2' * 64}"),
        ("fewer", {"users": 799}, r"different users .800 and 799; only one of them has \['u799'\]"),
        ("unlike", {"metrics": ("ndcg@20", "mrr@20")}, "only one of them has mrr@20, recall@20"),
        ("spoilt", {"spoil": np.nan}, "evaluation 'spoilt': ndcg@20 is not finite"),
    ):
        folder = add(tmp_path, name, 0.1, **wrong)
        with pytest.raises(Refused, match=message):
            compare_evaluations({**folders, name: folder}, FAMILIES, "ndcg@20", torch.Generator())
    with pytest.raises(Refused, match="no evaluation to compare"):
        compare_evaluations({}, FAMILIES, "ndcg@20", torch.Generator())
    with pytest.raises(Refused, match="did you mean 'ndcg@20'"):
        compare_evaluations(folders, FAMILIES, "ndcg@2", torch.Generator())
    (folders["popular"] / "per_user.parquet").write_bytes(b"broken")
    with pytest.raises(Refused, match=r"'popular': .* is not an evaluation"):
        compare_evaluations(folders, FAMILIES, "ndcg@20", torch.Generator())


def test_the_openings_are_those_when_the_last_was_measured(tmp_path):
    folders = {
        name: add(tmp_path, name, 0.1, test_openings=count) for name, count in (("popular", 3), ("xsimgcl", 4), ("ease", None))
    }
    assert compare_evaluations(folders, FAMILIES, "ndcg@20", torch.Generator(), resamples=20)["test_openings"] == 4
    assert compare_evaluations({"ease": folders["ease"]}, FAMILIES, "ndcg@20", torch.Generator())["test_openings"] is None


def test_the_same_seed_is_the_same_table_in_any_order_of_rows(tmp_path):
    folders = {name: add(tmp_path, name, gain) for name, gain in (("popular", 0.0), ("xsimgcl", 0.1))}
    first = compare_evaluations(folders, FAMILIES, "ndcg@20", torch.Generator().manual_seed(3), resamples=99)
    for folder in folders.values():
        frame = pd.read_parquet(folder / "per_user.parquet")
        frame.sample(frac=1, random_state=9).to_parquet(folder / "per_user.parquet", index=False)
    assert compare_evaluations(folders, FAMILIES, "ndcg@20", torch.Generator().manual_seed(3), resamples=99) == first
