"""The evaluate stage on a data set small enough to work out by hand."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from recsys_cl.config import Runtime, load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_file, write_json
from recsys_cl.core.protocols import Job
from recsys_cl.core.values import Encoding, Fold, Interactions, Shape
from recsys_cl.encoders import _item_to_item
from recsys_cl.evaluation.settings import Evaluation
from recsys_cl.serving.answer import recommend
from recsys_cl.stages.bundle import make_bundle
from recsys_cl.stages.evaluate import EvaluateStage
from recsys_cl.stages.train import TrainStage
from recsys_cl.stages.verdict import judge_test, vectors_of

USERS, ITEMS = ["ann", "bob", "cy", "007"], ["a", "b", "c", "d", "e"]
# Popularity in train + valid: b 3, a 2, c 1, d 1, e 0; in train alone a and b tie.
TRAIN = [(0, 0), (0, 1), (1, 0), (1, 1), (3, 3)]
VALID = [(2, 1), (2, 2), (3, 5), (4, 0)]  # an unknown item, an unknown user
TEST = [(2, 0), (2, 4), (1, 3), (3, 5), (3, 3), (4, 0), (4, 1)]


def part(rows):
    users, items = (pa.array([row[side] for row in rows], pa.int32()) for side in (0, 1))
    return pa.table({"user": users, "item": items, "timestamp": pa.array(range(len(rows)), pa.int64())})


@pytest.fixture
def job(tmp_path):
    reads = {name: tmp_path / f"{name}.parquet" for name in ("train", "valid", "test")}
    for name, rows in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        pq.write_table(part(rows), reads[name], write_page_checksum=True)
    vocabulary, model = tmp_path / "vocabulary", tmp_path / "model"
    vocabulary.mkdir()
    model.mkdir()
    pq.write_table(pa.table({"user_id": USERS}), vocabulary / "users.parquet", write_page_checksum=True)
    pq.write_table(pa.table({"item_id": ITEMS}), vocabulary / "items.parquet", write_page_checksum=True)
    write_json(vocabulary / "shape.json", {"users": 4, "items": 5})
    save_file({}, model / "weights.safetensors")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Job({**reads, "vocabulary": vocabulary, "model/popular": model}, scratch, "f")


def stage(**evaluation):
    return EvaluateStage("popular", load_recipe("popular"), Evaluation(ks=(1, 3), **evaluation), Runtime(device="cpu"), 7)


def rows(path):
    return pq.read_table(path, page_checksum_verification=True).to_pydict()


def test_lists_values_and_counts(job):
    facts = stage().run(job)
    folder = job.out("evaluation/popular")
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    lists, values = rows(folder / "recommendations.parquet"), rows(folder / "per_user.parquet")

    # bob has seen a, b; cy b, c; 007 d: what is left, most popular first, ties by id.
    assert list(zip(lists["user"], lists["rank"], lists["item"], strict=True)) == [
        (1, 1, 2), (1, 2, 3), (1, 3, 4), (2, 1, 0), (2, 2, 3), (2, 3, 4), (3, 1, 1), (3, 2, 0), (3, 3, 2),
    ]  # fmt: skip
    assert lists["score"] == [1, 1, 0, 2, 1, 0, 3, 2, 1]
    assert [place for place, hit in enumerate(lists["hit"]) if hit] == [1, 3, 5]
    assert values["user"] == [1, 2, 3]
    assert values["user_id"] == ["bob", "cy", "007"]
    assert values["held_out"] == [1, 2, 2]
    assert values["recall@3"] == [1, 1, 0]
    assert values["recall@1"] == [0, 0.5, 0]
    assert values["mrr@3"] == [0.5, 1, 0]
    assert (metrics["users"], metrics["held_out"], metrics["cold_items"], metrics["cold_users"]) == (3, 5, 2, 2)
    assert metrics["test"]["coverage@1"] == pytest.approx(3 / 5)
    assert metrics["test"] == {name: pytest.approx(sum(v) / 3) for name, v in values.items() if "@" in name}
    assert facts == {"users": 3, **metrics["test"]}
    assert {"recall", "ndcg", "map", "ties", "mask", "candidates", "users"} <= set(metrics["conventions"])


def test_columns_have_the_agreed_types(job):
    stage().run(job)
    folder = job.out("evaluation/popular")
    types = {field.name: str(field.type) for field in pq.read_schema(folder / "recommendations.parquet")}
    assert types == {"user": "int64", "rank": "int32", "item": "int64", "score": "float", "hit": "bool"}
    types = {field.name: str(field.type) for field in pq.read_schema(folder / "per_user.parquet")}
    assert types.pop("user_id") == "string"
    assert (types.pop("user"), types.pop("held_out"), set(types.values())) == ("int64", "int64", {"double"})


def test_vectors_as_long_as_a_large_catalogue_are_ranked_and_not_kept(job, monkeypatch, caplog):
    recipe = load_recipe("item-knn")

    def lists(folder: str) -> dict[str, list[object]]:
        judged = EvaluateStage("popular", recipe, Evaluation(ks=(1, 3)), Runtime(device="cpu"), 7)
        out = replace(job, scratch=job.scratch / folder)
        out.scratch.mkdir()
        judged.run(out)
        return rows(out.out("evaluation/popular") / "recommendations.parquet")

    dense = lists("dense")
    monkeypatch.setattr(_item_to_item, "DENSE_MIB", 0)
    with caplog.at_level(logging.INFO):
        assert lists("wide") == dense
    assert "vectors of 5 numbers each are ranked and not kept" in caplog.text
    folder = replace(job, scratch=job.scratch / "wide").out("evaluation/popular")
    assert json.loads((folder / "metrics.json").read_text("utf-8"))["vectors"] is False
    assert not (folder / "vectors.safetensors").exists()
    assert not (folder / "representation.json").exists()
    with pytest.raises(Refused, match=r"'popular' is measured and cannot be registered: .*registry\.experiment"):
        make_bundle("popular", {"evaluation/popular": folder})


def test_vectors_of_everyone_know_train_and_valid(job):
    stage().run(job)
    vectors = load_file(job.out("evaluation/popular") / "vectors.safetensors")
    assert vectors["users"].shape == (4, 1)
    assert vectors["items"].flatten().tolist() == [2, 3, 1, 1, 0]
    assert vectors["items"].dtype == torch.float32


def test_what_the_vectors_are_like_is_kept(job):
    stage().run(job)
    found = json.loads((job.out("evaluation/popular") / "representation.json").read_text("utf-8"))
    assert {"alignment", "uniformity_items", "effective_rank_users", "anisotropy_tail"} <= set(found)
    assert (found["dimension"], found["effective_rank_users"]) == (1, 1)


class Given(nn.Module):
    """Each user likes the one item of their own number, and is served alone."""

    shape, steps, reads_histories, module = Shape(4, 5), 0, False, property(lambda self: self)

    def inference(self, users):
        yield from ((None, user) for user in users.split(1))

    def encode(self, source, users):
        return Encoding(torch.eye(4, 5)[users], torch.eye(5))


def test_each_user_is_ranked_by_their_own_vector():
    test = Interactions(Shape(4, 5), torch.tensor([3, 1]), torch.tensor([3, 0]), torch.zeros(2, dtype=torch.int64))
    known = Interactions(Shape(4, 5), *[torch.zeros(0, dtype=torch.int64)] * 3)
    verdict = judge_test(Given(), Given(), test, known, Evaluation(ks=(1,)), "given")
    assert verdict.ranking.items.tolist() == [[1], [3]]
    assert verdict.means()["recall@1"] == 0.5


def test_a_vector_that_is_not_finite_is_refused_even_of_users_nobody_asks(job):
    class Spoilt(Given):
        def encode(self, source, users):
            return Encoding(torch.where(users[:, None] == 2, torch.nan, torch.eye(4, 5)[users]), torch.eye(5))

    test = Interactions(Shape(4, 5), *[torch.tensor([1])] * 3)
    with pytest.raises(Refused, match="spoilt: user vectors"):
        judge_test(Spoilt(), Spoilt(), test, test, Evaluation(), "spoilt")


def test_seen_items_come_back_on_request(job):
    stage(exclude_seen=False).run(job)
    lists = rows(job.out("evaluation/popular") / "recommendations.parquet")
    assert lists["item"][:3] == [1, 0, 2]


@pytest.mark.parametrize("history", ["train", "train+valid"])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_the_registered_model_gives_the_lists_that_were_measured(job, history, exclude_seen):
    """By ease, whose vectors differ from user to user, and change with what is known of them."""
    ease = load_recipe("ease")
    judged = EvaluateStage(
        "popular", ease, Evaluation(ks=(4,), exclude_seen=exclude_seen, history=history), Runtime(device="cpu"), 7
    )
    judged.run(job)
    model, evaluation = job.reads["model/popular"], job.out("evaluation/popular")
    write_json(model / "recipe.json", ease.model_dump(mode="json"))
    write_json(model / "summary.json", {"fingerprint": "f", "valid": {}})
    bundle = make_bundle("popular", {**job.reads, "evaluation/popular": evaluation})
    measured = rows(evaluation / "recommendations.parquet")
    served = recommend(bundle, [USERS[user] for user in dict.fromkeys(measured["user"])], 4).to_pydict()
    assert served["item_id"] == [ITEMS[item] for item in measured["item"]]
    assert served["rank"] == measured["rank"]
    assert served["score"] == pytest.approx(measured["score"], abs=1e-6)


def test_an_evaluation_that_does_not_say_whether_seen_items_come_back_is_served_without_them(job):
    stage(exclude_seen=False).run(job)
    model, evaluation = job.reads["model/popular"], job.out("evaluation/popular")
    write_json(model / "recipe.json", load_recipe("popular").model_dump(mode="json"))
    write_json(model / "summary.json", {"fingerprint": "f", "valid": {}})
    said = json.loads((evaluation / "metrics.json").read_text("utf-8"))
    write_json(evaluation / "metrics.json", {key: said[key] for key in said.keys() - {"exclude_seen", "history"}})
    bundle = make_bundle("popular", {**job.reads, "evaluation/popular": evaluation})
    assert bundle.exclude_seen
    assert bundle.seen.row(2).tolist() == [1, 2], "cy has met them in valid"


def test_the_same_files_twice(job, tmp_path):
    folders = []
    for name in ("first", "second"):
        again = Job(job.reads, tmp_path / name, "f")
        again.scratch.mkdir()
        stage().run(again)
        folders.append(again.out("evaluation/popular"))
    for name in ("per_user.parquet", "recommendations.parquet", "vectors.safetensors"):
        first, second = ((folder / name).read_bytes() for folder in folders)
        assert first == second


def test_what_decides_the_result_is_in_the_settings():
    assert stage().settings == stage(memory_mib=5).settings
    assert stage().settings != stage(exclude_seen=False).settings
    json.dumps(stage().settings)
    assert stage().name == "evaluate/popular"
    assert stage().writes == ("evaluation/popular",)
    assert stage().reads == ("train", "valid", "test", "vocabulary", "model/popular")


def test_all_test_users_cold_is_refused(job):
    pq.write_table(part([(4, 0), (4, 1)]), job.reads["test"], write_page_checksum=True)
    with pytest.raises(Refused, match="nothing can be evaluated"):
        stage().run(job)


@pytest.mark.parametrize("content", [b"", b"not weights", None])
def test_weights_that_cannot_be_read_are_refused_by_path(job, content):
    path = job.reads["model/popular"] / "weights.safetensors"
    if content is None:
        save_file({"encoder.table": torch.ones(2, 2)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(Refused, match=r"weights\.safetensors"):
        stage().run(job)


def described(job, **columns):
    """Give the items of the vocabulary more columns."""
    path = job.reads["vocabulary"] / "items.parquet"
    pq.write_table(pa.table({"item_id": ITEMS, **columns}), path, write_page_checksum=True)


def segment(found, by, label):
    [one] = [row for row in found if (row["by"], row["segment"]) == (by, label)]
    return one


def test_segments_by_hand(job):
    described(job, genre=["x", "x", "y", None, "y"])
    stage(segments=("genre",)).run(job)
    folder = job.out("evaluation/popular")
    found = json.loads((folder / "segments.json").read_text("utf-8"))
    assert {row["by"] for row in found} == {
        "item popularity",
        "item age",
        "cold items",
        "genre",
        "history length",
        "cold users",
    }

    # bob holds out d and finds it second; cy a, found first, and e, third; 007 a cold item and d, which he knows.
    genre = [segment(found, "genre", label) for label in ("x", "y", "other", "unknown")]
    assert [(row["users"], row["held_out"]) for row in genre] == [(1, 1), (1, 1), (0, 0), (2, 3)]
    assert [row["metrics"].get("recall@3") for row in genre] == [1, 1, None, 0.5]
    assert [row["share"]["recall@3"] for row in genre] == pytest.approx([1 / 6, 1 / 6, 0, 1 / 3])
    assert genre[2] == {"by": "genre", "segment": "other", "users": 0, "held_out": 0, "metrics": {}, "share": genre[2]["share"]}
    assert "coverage@3" not in genre[0]["metrics"]
    new = segment(
        found, "cold items", "cold"
    )  # e, which nobody had met and cy gets, and what 007 holds out beyond the catalogue
    assert (new["users"], new["held_out"], new["metrics"]["recall@3"]) == (2, 2, 0.5)
    bands = segment(found, "history length", "0-4")
    assert (bands["users"], bands["metrics"]["recall@3"]) == (3, pytest.approx(2 / 3))
    assert bands["metrics"]["coverage@3"] == pytest.approx(bands["share"]["coverage@3"])
    cold = segment(found, "cold users", "cold")
    assert (cold["users"], cold["held_out"], cold["metrics"]) == (0, 2, {})


def test_users_are_divided_by_what_is_known_of_them(job):
    known = pa.table({"user_id": USERS, "country": ["AT", "FR", "AT", None]})
    pq.write_table(known, job.reads["vocabulary"] / "users.parquet", write_page_checksum=True)
    stage(segments=("country",)).run(job)
    found = json.loads((job.out("evaluation/popular") / "segments.json").read_text("utf-8"))
    country = [segment(found, "country", label) for label in ("AT", "FR", "other", "unknown")]  # cy, bob, nobody, 007
    assert [(row["users"], row["held_out"]) for row in country] == [(1, 2), (1, 1), (0, 0), (1, 2)]
    assert [row["metrics"].get("recall@3") for row in country] == [1, 1, None, 0]


def test_of_several_categories_in_one_text_the_first_divides(job):
    described(job, genre=["x y", "x", "y x", None, " "])
    for separator, labels in ((" ", {"x", "y"}), ("", {"x y", "x", "y x"})):
        stage(segments=("genre",), category="genre", category_separator=separator).run(job)
        found = json.loads((job.out("evaluation/popular") / "segments.json").read_text("utf-8"))
        assert {row["segment"] for row in found if row["by"] == "genre"} == {*labels, "other", "unknown"}
        told = json.loads((job.out("evaluation/popular") / "metrics.json").read_text("utf-8"))["categories"]
        assert told == {"column": "genre", "separator": separator}, "the report reads categories alike"


def test_values_by_segment_average_to_the_table_of_segments(job):
    stage().run(job)
    folder = job.out("evaluation/popular")
    values = pq.read_table(folder / "per_segment.parquet", page_checksum_verification=True).to_pandas()
    for row in json.loads((folder / "segments.json").read_text("utf-8")):
        inside = values[(values["by"] == row["by"]) & (values["segment"] == row["segment"])]
        assert len(inside) == row["users"]
        assert inside["user_id"].is_unique
        for name, mean in row["metrics"].items():
            assert inside[name].mean() == pytest.approx(mean)
    assert values.loc[values["by"] == "item age", "coverage@3"].isna().all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("gnre", r"evaluation\.segments\.0: neither items nor users have 'gnre'; did you mean 'genre'"),
        ("vector", r"segments\.0: 'vector': lists of numbers"),
    ],
)
def test_a_column_that_cannot_divide_is_refused(job, asked, message):
    described(job, genre=["x"] * 5, vector=[[0.5, 1.0]] * 5)
    with pytest.raises(Refused, match=message):
        stage(segments=(asked,)).run(job)


def test_asking_for_segments_trains_nothing_again():
    args = ("popular", load_recipe("popular"))
    plain, divided = (TrainStage(*args, Evaluation(segments=s), Runtime(), 1) for s in ((), ("genre",)))
    assert plain.settings == divided.settings
    assert stage().settings != stage(segments=("genre",)).settings


def test_lists_longer_than_the_catalogue_end_early(job):
    deep = EvaluateStage("popular", load_recipe("popular"), Evaluation(ks=(50,)), Runtime(device="cpu"), 7)
    deep.run(job)
    folder = job.out("evaluation/popular")
    assert rows(folder / "recommendations.parquet")["rank"] == [1, 2, 3, 1, 2, 3, 1, 2, 3, 4]
    assert rows(folder / "per_user.parquet")["recall@50"] == [1, 1, 0]


def test_vectors_are_kept_of_whoever_folds_in_by_the_items_themselves(tmp_path):
    items = torch.eye(3)
    save_file(vectors_of(Encoding(torch.ones(2, 3), items), Fold(items, 1.0)), tmp_path / "vectors.safetensors")
    kept = load_file(tmp_path / "vectors.safetensors")
    assert torch.equal(kept["fold"], kept["items"])


def test_the_data_are_named_by_their_digests(job):
    stage().run(job)
    metrics = json.loads((job.out("evaluation/popular") / "metrics.json").read_text("utf-8"))
    assert metrics["digests"] == {part: digest_file(job.reads[part]) for part in ("train", "valid", "test")}
    assert metrics["test_digest"] == metrics["digests"]["test"]
    assert metrics["test_openings"] is None, "nobody counts here"
