"""Two planted evaluations: what differs, for whom, and what may be claimed of it, is known beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import write_json
from recsys_cl.serving.load import SHA256
from recsys_cl.serving.manifest import digest_folder
from recsys_cl.stages.duel import compare_two
from recsys_cl.stages.reference import fetched
from recsys_cl.stages.requirement import parse_requirement
from recsys_cl.tracking.experiment import open_experiment
from recsys_cl.tracking.registry import appoint, log_model, register
from recsys_cl.tracking.store import open_store
from tests.warm import recsys_cl

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

USERS = 700
IDS = [f"u{number:04}" for number in range(USERS)]
HEAD = np.arange(USERS) < 600  # users with something of the head held out


def add(root, name, gain=0.0, users=USERS, digests=None, segments="both", metrics=("ndcg@20", "recall@20"), **facts):
    """An evaluation; who has something of the head held out gains so much in ndcg, nobody in anything else."""
    folder = root / name
    folder.mkdir(parents=True)
    noise = np.random.default_rng(list(name.encode())).normal(0, 0.05, USERS)
    noise[HEAD] -= noise[HEAD].mean()
    base = np.linspace(0.1, 0.9, USERS)
    columns = {metrics[0]: base + np.where(HEAD, gain, 0) + (noise if gain else 0), **dict.fromkeys(metrics[1:], base)}
    frame = pd.DataFrame({"user": range(USERS), "user_id": IDS, "held_out": 1, **columns}).head(users)
    frame.sample(frac=1, random_state=len(name)).to_parquet(folder / "per_user.parquet", index=False)
    if segments == "both":
        rows = [
            frame.assign(by="item popularity", segment=label)[inside]
            for label, inside in (("head", HEAD[:users]), ("tail", ~HEAD[:users]))
        ]
        table = pd.concat(rows).drop(columns="user").assign(**{metrics[-1]: np.nan} if len(metrics) > 1 else {})
        table.to_parquet(folder / "per_segment.parquet", index=False)
    digests = {"train": "1" * 64, "valid": "2" * 64, "test": "3" * 64, **(digests or {})}
    write_json(folder / "metrics.json", {"test": {}, "test_digest": digests["test"], "digests": digests, **facts})
    return str(folder)


def duel(one, other, *claims, root=Path("nowhere"), metrics=()):
    requirements = [parse_requirement(claim) for claim in claims]
    with fetched((one, other), root, None) as (ours, theirs):
        return compare_two(ours, theirs, requirements, metrics, torch.Generator().manual_seed(0))


def row(rows, **facts):
    [one] = [row for row in rows if all(row[key] == value for key, value in facts.items())]
    return one


def test_differences_by_metric_and_segment(tmp_path):
    found = duel(add(tmp_path, "better", 0.1), add(tmp_path, "base"))
    ndcg, recall = (row(found["metrics"], metric=name) for name in ("ndcg@20", "recall@20"))
    assert ndcg["difference"] == pytest.approx(0.1 * 600 / 700, abs=0.003)
    assert ndcg["a"] - ndcg["b"] == pytest.approx(ndcg["difference"])
    assert ndcg["mark"] == "higher"
    assert (recall["difference"], recall["mark"], recall["effect_size"]) == (0, "", 0)
    assert {(one["segment"], one["metric"], one["users"]) for one in found["segments"]} == {
        ("head", "ndcg@20", 600),
        ("tail", "ndcg@20", 100),
    }
    head, tail = (row(found["segments"], segment=label) for label in ("head", "tail"))
    assert head["difference"] == pytest.approx(0.1)
    assert (head["mark"], tail["mark"], tail["reliable"]) == ("higher", "", False)
    assert (found["users"], found["holds"], found["left_out"]) == (700, True, [])
    json.dumps(found, allow_nan=False)


def test_the_other_way_round_is_the_other_sign(tmp_path):
    better, base = add(tmp_path, "better", 0.1), add(tmp_path, "base")
    one, other = duel(better, base)["metrics"][0], duel(base, better)["metrics"][0]
    assert one["difference"] == pytest.approx(-other["difference"])
    assert (other["mark"], one["p"]) == ("lower", pytest.approx(other["p"]))


def test_segments_are_divided_by_what_is_asked_or_required(tmp_path):
    better, base = add(tmp_path, "better", 0.1), add(tmp_path, "base")
    assert {one["metric"] for one in duel(better, base)["segments"]} == {"ndcg@20"}
    assert duel(better, base, metrics=["recall@20"])["segments"] == [], "it does not speak of segments here"
    assert {one["metric"] for one in duel(better, base, "recall@20 > 0 at 95%", metrics=["ndcg@20"])["segments"]} == {"ndcg@20"}
    with pytest.raises(Refused, match="--metric: 'ndgc@20' was not measured; did you mean 'ndcg@20'"):
        duel(better, base, metrics=["ndgc@20"])


def test_a_division_into_one_segment_says_nothing_new(tmp_path):
    whole = [add(tmp_path, name, gain) for name, gain in (("better", 0.1), ("base", 0.0))]
    for folder in whole:
        path = Path(folder) / "per_segment.parquet"
        values = pd.read_parquet(path)
        pd.concat([values, values[values["segment"] == "head"].assign(by="cold users", segment="known")]).to_parquet(path)
    assert {one["by"] for one in duel(*whole)["segments"]} == {"item popularity"}


def test_holm_pays_for_all_segments_together(tmp_path):
    found = duel(add(tmp_path, "better", 0.001), add(tmp_path, "base"))["segments"]
    smaller, larger = sorted(found, key=lambda one: one["p"])
    assert 0.001 < smaller["p"] < larger["p"]
    assert smaller["adjusted_p"] == pytest.approx(min(2 * smaller["p"], larger["adjusted_p"], 1))


def test_claims_hold_or_not(tmp_path):
    better, base = add(tmp_path, "better", 0.1), add(tmp_path, "base")
    found = duel(better, base, "ndcg@20 > 0 at 95%", "recall@20 > -1% at 99%")
    assert (found["holds"], [one["holds"] for one in found["requirements"]]) == (False, [True, False])
    assert duel(better, base, "ndcg@20 > 0 at 95%")["holds"] is True
    assert duel(base, better, "ndcg@20 > 0 at 95%")["holds"] is False
    assert duel(better, better, "ndcg@20 > 0 at 95%")["holds"] is False
    with pytest.raises(Refused, match="'ndcg@2' was not measured; did you mean 'ndcg@20'"):
        duel(better, base, "ndcg@2 > 0 at 95%")


def test_a_number_of_all_lists_together_is_left_out_and_cannot_be_required(tmp_path):
    both = [add(tmp_path, name, metrics=("ndcg@20", "coverage@20"), segments="none") for name in ("one", "two")]
    found = duel(*both)
    assert [row["metric"] for row in found["metrics"]] == ["ndcg@20"]
    assert found["left_out"] == ["coverage@20: one number of all lists together"]
    with pytest.raises(Refused, match="--require 'coverage@20 > 0 at 95%': 'coverage@20' is one number of all lists together"):
        duel(*both, "coverage@20 > 0 at 95%")


def test_what_cannot_be_paired_is_refused_naming_both(tmp_path):
    base = add(tmp_path, "base")
    for name, wrong, message in (
        ("data", {"digests": {"test": "4" * 64}}, f"different test parts .{'3' * 64} and {'4' * 64}"),
        ("split", {"digests": {"train": "5" * 64}}, f"different train parts .{'1' * 64} and {'5' * 64}"),
        ("users", {"users": 699}, "different users .700 and 699"),
        ("metrics", {"metrics": ("map@5",)}, "no metric in common"),
    ):
        other = add(tmp_path, name, **wrong)
        with pytest.raises(Refused, match=message) as refusal:
            duel(base, other)
        assert base in str(refusal.value)
        assert other in str(refusal.value)
    rules = [add(tmp_path, name, conventions={"mask": name}) for name in ("none", "seen")]
    with pytest.raises(Refused, match=r"different rules of mask \('none' and 'seen'\)"):
        duel(*rules)


def test_segments_of_only_one_are_said_to_be_left_out(tmp_path):
    found = duel(add(tmp_path, "with"), add(tmp_path, "without", segments="none"))
    assert (found["segments"], found["left_out"]) == ([], ["item popularity: head", "item popularity: tail"])


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A store with two evaluated runs, the first registered twice, and one run that was not evaluated."""
    root = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = open_store(root)
    experiment = open_experiment(store, "planted")
    runs = {}
    for name, gain in (("better", 0.1), ("base", 0.0)):
        runs[name] = experiment.ensure(name, name, lambda _: None)
        for file in Path(add(root, name, gain)).iterdir():
            runs[name].attach(file, "evaluation")

    def write(target, _model_id):
        target.mkdir()
        (target / "model.txt").write_text("x")
        return {SHA256: digest_folder(target)}

    version = register(store, "shop", log_model(experiment, runs["better"].run_id, "shop", write), "content")
    appoint(store, "shop", int(version.version))
    runs["empty"] = experiment.ensure("empty", "empty", lambda _: None)
    return root, {name: run.run_id for name, run in runs.items()}


@pytest.fixture
def store(kept, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return kept


def test_runs_and_versions_are_fetched(store):
    root, runs = store
    expected = duel(str(root / "better"), str(root / "base"))
    for reference in (runs["better"], "models:/shop/1", "models:/shop@champion"):
        found = duel(reference, runs["base"], root=root)
        assert found["a"]["name"] == reference
        assert (found["metrics"], found["segments"]) == (expected["metrics"], expected["segments"])


def test_what_is_not_there_is_refused(store, tmp_path):
    root, runs = store
    base = runs["base"]
    for reference, message in (
        ("f" * 32, "there is no run 'ffff"),
        (runs["empty"], "keeps no evaluation/metrics.json"),
        ("models:/shp/1", "did you mean 'shop'"),
        ("models:/shop/9", "no version 9"),
        ("models:/shop@nobody", "no alias 'nobody'"),
        ("models:/shop", "write models:/NAME@ALIAS or models:/NAME/VERSION"),
        ("better", "no folder, no run id"),
        (str(tmp_path), "not an evaluation, it has no metrics.json and no per_user.parquet"),
    ):
        with pytest.raises(Refused, match=message):
            duel(reference, base, root=root)
    with pytest.raises(Refused, match="there is no store"):
        duel(base, base, root=tmp_path)


def cli(*arguments, cwd):
    return recsys_cl("compare", *arguments, cwd=cwd)


def test_the_command_decides_by_its_exit_code(tmp_path):
    better, base = add(tmp_path, "better", 0.1), add(tmp_path, "base")
    other = add(tmp_path, "other", digests={"test": "4" * 64})
    claim = ("--require", "ndcg@20 > 0 at 95%")
    held = cli(better, base, *claim, "--json", cwd=tmp_path)
    assert held.returncode == 0, held.stderr
    for words in ("ndcg@20", "item popularity", "tail", "ndcg@20 > 0 at 95%: holds"):
        assert words in held.stdout
    assert json.loads(held.stdout.splitlines()[-1])["holds"] is True
    failed = cli(base, better, *claim, cwd=tmp_path)
    assert failed.returncode == 1
    assert "does not hold" in failed.stdout
    assert "Traceback" not in failed.stderr
    for refused in (
        cli(base, other, cwd=tmp_path),
        cli(base, better, "--require", "ndcg@2 > 0 at 95%", cwd=tmp_path),
        cli(base, better, "--require", "better", cwd=tmp_path),
        cli(",".join([base] * 4), ",".join([better] * 4), cwd=tmp_path),
    ):
        assert refused.returncode == 2, refused.stderr
    assert not (tmp_path / "mlruns").exists()


def test_a_metric_that_was_not_measured_is_refused_of_several_seeds_too(tmp_path):
    sides = [
        ",".join(add(tmp_path, f"{side}{seed}", gain, seed=seed) for seed in range(4)) for side, gain in (("a", 0.1), ("b", 0))
    ]
    refused = cli(*sides, "--metric", "nonsense@3", cwd=tmp_path)
    assert refused.returncode == 2, refused.stdout
    assert "--metric: 'nonsense@3' was not measured" in refused.stderr
    held = cli(*sides, "--require", "ndcg@20 > 0 at 95%", "--metric", "ndcg@20", cwd=tmp_path)
    assert held.returncode == 0, held.stderr
    assert "700 users and 4 seeds" in " ".join(held.stdout.split())
