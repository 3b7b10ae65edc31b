"""A pipeline of two domains that ranks one: from the log to lists, segments and rules."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from recsys_cl.config import Pipeline, load_pipeline, load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.evaluation.candidates import candidates_of
from recsys_cl.evaluation.divisions import known_from
from recsys_cl.ingest.dataset import load_features, load_interactions, load_items, load_shape, select_items
from recsys_cl.stages.evaluate import EvaluateStage
from recsys_cl.stages.gathering import Sources, gather
from recsys_cl.stages.ingest import IngestStage
from recsys_cl.stages.prepare import PrepareStage
from recsys_cl.stages.runner import run_stages
from recsys_cl.stages.store import Store
from recsys_cl.stages.train import TrainStage

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("RECSYS_CL_REAL_DATA", ROOT.parent / "shared/data")) / "cdrib_game_video"
TINY = (
    "ingest.source.users=120",
    "ingest.source.shared=80",
    "ingest.source.items=50",
    "ingest.source.events=[1500,700]",
)


def prepared(pipeline: Pipeline, folder: Path) -> dict[str, Path]:
    stages = [IngestStage(pipeline.ingest, pipeline.seed), PrepareStage(pipeline.prepare)]
    return {name: artifact.path for name, artifact in run_stages(stages, Store(folder), lambda *_: None).artifacts.items()}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Popularity on a tiny world of two domains, films ranked."""
    folder = tmp_path_factory.mktemp("store")
    pipeline = load_pipeline(ROOT / "pipelines/planted-domains.toml", TINY)
    recipe, how = load_recipe("popular"), pipeline.evaluation
    stages = [
        IngestStage(pipeline.ingest, 1),
        PrepareStage(pipeline.prepare),
        TrainStage("popular", recipe, how, pipeline.runtime, 1),
        EvaluateStage("popular", recipe, how, pipeline.runtime, 1),
    ]
    return {name: artifact.path for name, artifact in run_stages(stages, Store(folder), lambda *_: None).artifacts.items()}


def test_only_candidates_are_recommended_and_the_most_popular_of_them(evaluated: dict[str, Path]) -> None:
    lists = pq.read_table(evaluated["evaluation/popular"] / "recommendations.parquet").to_pandas()
    domain = load_items(evaluated["vocabulary"])["domain"]
    assert (domain[lists["item"]] == "films").all()
    shape = load_shape(evaluated["vocabulary"])
    known = load_interactions(evaluated["train"], shape).then(load_interactions(evaluated["valid"], shape))
    counts = torch.bincount(known.items, minlength=shape.items)
    films = (domain == "films").tolist()
    for user, rows in lists.groupby("user"):
        met = set(known.items[known.users == user].tolist())
        best = sorted((i for i in range(shape.items) if films[i] and i not in met), key=lambda i: (-int(counts[i]), i))
        assert rows.sort_values("rank")["item"].tolist() == best[: len(rows)]


def test_what_was_held_out_of_others_is_left_out_and_counted(evaluated: dict[str, Path]) -> None:
    facts = json.loads((evaluated["evaluation/popular"] / "metrics.json").read_text("utf-8"))
    test = pq.read_table(evaluated["test"]).to_pandas()
    domain = load_items(evaluated["vocabulary"])["domain"]
    shape = load_shape(evaluated["vocabulary"])
    warm = test[(test.user < shape.users) & (test.item < shape.items)]
    films = warm[(domain[warm["item"]] == "films").to_numpy()]
    assert facts["held_out"] == len(films[["user", "item"]].drop_duplicates())
    assert facts["outside_candidates"] == len(test[test.user < shape.users]) - len(films)
    assert facts["conventions"]["candidates"] == "all items of the training data with domain = films"


def test_a_report_says_that_candidates_were_ranked(evaluated: dict[str, Path]) -> None:
    sources = Sources({"popular": evaluated["evaluation/popular"]}, {"popular": evaluated["model/popular"]})
    ranked = gather(sources, "two domains", "ndcg@20").ranked
    assert ranked == "the candidates (all items of the training data with domain = films)"


def test_users_are_divided_by_where_they_are_known_from(evaluated: dict[str, Path]) -> None:
    rows = json.loads((evaluated["evaluation/popular"] / "segments.json").read_text("utf-8"))
    whole = json.loads((evaluated["evaluation/popular"] / "metrics.json").read_text("utf-8"))
    for by in ("known from", "candidates met"):
        parts = [row for row in rows if row["by"] == by]
        assert sum(row["users"] for row in parts) == whole["users"]
        assert sum(row["share"]["ndcg@20"] for row in parts) == pytest.approx(whole["test"]["ndcg@20"])


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("evaluation.candidates.domain=toys", r"evaluation\.candidates\.domain: no item has 'toys'"),
        ("override.training.refit=true", r"training\.refit: .*evaluation\.history"),
    ],
)
def test_candidates_and_histories_that_cannot_be_are_refused_by_key(
    evaluated: dict[str, Path], tmp_path: Path, assignment: str, told: str
) -> None:
    pipeline = load_pipeline(ROOT / "pipelines/planted-domains.toml", (*TINY, assignment, "evaluation.history=train"))
    stage = TrainStage("target-only", pipeline.recipes()["target-only"], pipeline.evaluation, pipeline.runtime, 1)
    with pytest.raises(Refused, match=told):
        run_stages([IngestStage(pipeline.ingest, 1), PrepareStage(pipeline.prepare), stage], Store(tmp_path), lambda *_: None)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real data at {REAL}")
def test_those_whom_cdrib_asks_are_new_to_the_target(tmp_path: Path) -> None:
    pipeline = load_pipeline(ROOT / "pipelines/cross-domain.toml", (f'ingest.source.path="{REAL.as_posix()}"',))
    made = prepared(pipeline, tmp_path)
    shape = load_shape(made["vocabulary"])
    assert (shape.users, shape.items) == (24_799 + 19_240 - 1_736, 12_319 + 8_751)
    train, test = (load_interactions(made[part], shape) for part in ("train", "test"))
    assert (len(train), len(test)) == (155_036 + 156_091, 1_304 + 1_458)
    features = load_features(made["vocabulary"], shape)
    assert features.modalities["domain"].values.sum(0).tolist() == [12_319, 8_751]
    for target, users in (("video", 216), ("game", 212)):
        asked = {"domain": target}
        candidates = candidates_of(select_items(made["vocabulary"], asked), shape.items, asked)
        people = torch.unique(candidates.among(test).users)
        division = known_from(people, train, candidates)
        assert len(people) == users
        assert {division.labels[of] for of in division.of.tolist()} == {"other items"}
