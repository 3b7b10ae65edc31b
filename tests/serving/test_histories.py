"""People known by their histories get what the same history would have got them in training, from every family that can."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from recsys_cl.config import load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, Ragged, Shape
from recsys_cl.evaluation.encode import encode_all, fold_in
from recsys_cl.serving.answer import frame_of, recommend
from recsys_cl.serving.bundle import Bundle, assemble, read_bundle, write_bundle
from recsys_cl.serving.package import write_model
from recsys_cl.serving.portable import write_encoder
from recsys_cl.serving.question import Limits, read_question
from recsys_cl.serving.reader import reader_of
from recsys_cl.serving.recommend import recommend_to
from recsys_cl.serving.reply import lists as replied
from recsys_cl.serving.within import within
from recsys_cl.stages import assemble as bring_to_life
from recsys_cl.stages.verdict import vectors_of
from recsys_cl.training.weights import save_weights
from tests.graphs import features
from tests.shipped import of_family

SHAPE = Shape(users=12, items=25)
SMALL = {"sequence": {"source": {"batch_size": 8}, "encoder": {"dim": 16}}, "graph": {"encoder": {"dim": 8}}, "baseline": {}}
ADAPTING = ["meta-mf", "anil-sasrec", "proto-cold"]
SMALL["few-shot"] = SMALL["sequence"]
READING = [*ADAPTING, *of_family("sequence")]
FOLDING = ["lightgcn", "xsimgcl", "ncl", "puresvd", "item-knn", "ease"]


def log() -> Interactions:
    rng = torch.Generator().manual_seed(5)
    count = 9 * SHAPE.users
    users = torch.randint(SHAPE.users, (count,), generator=rng)
    return Interactions(SHAPE, users, torch.randint(SHAPE.items, (count,), generator=rng), torch.arange(count))


def made(name: str, folder, *changes) -> Bundle:
    """A model of the recipe as it is before training: weights are weights."""
    known, recipe = log(), load_recipe(name)
    recipe = load_recipe(name, SMALL[recipe.family], *([{"method": {"clusters": 3}}] if name == "ncl" else []), *changes)
    alive = bring_to_life.assemble(recipe, known, 1, torch.device("cpu"))
    vectors = vectors_of(encode_all(alive.method, alive.feed, torch.arange(SHAPE.users)), fold_in(alive.method, alive.feed))
    save_weights(alive.method.module, folder / "weights.safetensors")
    as_json = json.loads(recipe.model_dump_json())
    people = pd.DataFrame({"user_id": [f"u{i:02}" for i in range(SHAPE.users)]})
    things = pd.DataFrame({"item_id": [f"i{i:02}" for i in range(SHAPE.items)]})
    reader = reader_of(as_json, SHAPE, vectors, folder / "weights.safetensors")
    return assemble(people, things, vectors, known, {"recipe": as_json}, reader)


def past_of(user: int) -> list[str]:
    return [f"i{item:02}" for item in log().by_user().row(user).tolist()]


def lists(table) -> list[list[str]]:
    frame = table.to_pandas()
    return [part["item_id"].tolist() for _, part in frame.groupby("row")]


@pytest.fixture(scope="module")
def sasrec(tmp_path_factory) -> Bundle:
    return made("sasrec-softmax", tmp_path_factory.mktemp("sasrec"))


@pytest.mark.parametrize("name", READING)
def test_a_strangers_history_is_read_as_in_training(name, tmp_path):
    bundle = made(name, tmp_path)
    everybody = range(SHAPE.users)
    strangers = recommend(bundle, [None] * SHAPE.users, 5, [past_of(user) for user in everybody])
    known = recommend(bundle, [f"u{user:02}" for user in everybody], 5, [None] * SHAPE.users)
    assert lists(strangers) == lists(known)
    assert strangers["score"].to_pylist() == pytest.approx(known["score"].to_pylist(), rel=1e-4, abs=1e-5)
    assert set(strangers["source"].to_pylist()) == {"history"}
    assert set(known["source"].to_pylist()) == {"personal"}


@pytest.mark.parametrize("name", ["puresvd", "item-knn", "ease"])
def test_linear_models_know_a_stranger_as_well_as_anybody(name, tmp_path):
    bundle = made(name, tmp_path)
    strangers = recommend(bundle, [None] * SHAPE.users, 5, [past_of(user) for user in range(SHAPE.users)])
    known = recommend(bundle, bundle.user_ids, 5, [None] * SHAPE.users)
    assert set(strangers["source"].to_pylist()) == {"folded"}
    assert strangers["score"].to_pylist() == pytest.approx(known["score"].to_pylist(), rel=1e-4, abs=1e-5)


def counted(history: list[int], recency: float) -> dict[int, float]:
    """What each item of a history, oldest first, counts for: by when it was met last."""
    return {item: (len(history) - place) ** -recency for place, item in enumerate(history)}


@pytest.mark.parametrize(
    ("name", "with_table", "recency"), [("lightgcn", True, 0.0), ("xsimgcl", False, 0.0), ("lightgcn", True, 1.5)]
)
def test_graphs_fold_a_stranger_in_by_their_own_propagation(name, with_table, recency, tmp_path):
    """Against dense matrices: a row of its own would be zero, and what each layer brings comes along its edges."""
    bundle, history = made(name, tmp_path, {"source": {"recency": recency}}), torch.tensor([3, 11, 3, 20])
    known, asked = log(), counted(history.tolist(), recency)
    adjacency = torch.zeros(SHAPE.users + SHAPE.items, SHAPE.users + SHAPE.items, dtype=torch.float64)
    for user in range(SHAPE.users):
        for item, count in counted(known.by_user().row(user).tolist(), recency).items():
            adjacency[user, item + SHAPE.users] = adjacency[item + SHAPE.users, user] = count
    degree = adjacency.sum(1)
    scale = degree.masked_fill(degree == 0, 1).rsqrt()
    recipe = load_recipe(name, SMALL["graph"])
    table = bring_to_life.assemble(recipe, known, 1, torch.device("cpu")).method.module.encoder.table.double()
    layers, layer = recipe.encoder.arguments["layers"], table
    total = torch.zeros(8, dtype=torch.float64)
    for _ in range(layers):
        brought = [layer[SHAPE.users + item] * scale[SHAPE.users + item] * count for item, count in asked.items()]
        total += torch.stack(brought).sum(0) * sum(asked.values()) ** -0.5
        layer = scale[:, None] * (adjacency @ (scale[:, None] * layer))
    expected = total / (layers + with_table)
    found = bundle.reader.vectors(Ragged(history, torch.tensor([0, 4])))
    torch.testing.assert_close(found[0].double(), expected, rtol=1e-5, atol=1e-7)
    answer = recommend(bundle, [None, "u01", "nobody"], 2, [["i03", "i11"], None, None])
    assert answer["source"].to_pylist() == ["folded"] * 2 + ["personal"] * 2 + ["popular"] * 2


@pytest.mark.parametrize(("name", "steps"), [("meta-mf", 5), ("anil-sasrec", 3), ("proto-cold", 0)])
def test_a_model_that_adapts_says_how_many_steps_it_took(name, steps, tmp_path):
    """Read back from disk; of who is remembered or popular nobody adapts to anything."""
    write_bundle(made(name, tmp_path), tmp_path / "bundle")
    bundle = read_bundle(tmp_path / "bundle")
    people, histories = [None, "u03", "nobody"], [past_of(0), None, ["unknown"]]
    answer = recommend(bundle, people, 3, histories)
    assert answer["steps"].to_pylist() == [steps] * 3 + [0] * 6
    question = read_question(json.dumps({"histories": [past_of(0)], "k": 3}).encode(), "user_id", Limits())
    (entry,) = replied(SimpleNamespace(bundle=bundle, model="m"), [question])[0]["users"]
    assert (entry["steps"], entry["source"], entry["unknown_items"]) == (steps, "history", 0)
    assert [item["item_id"] for item in entry["items"]] == answer["item_id"].to_pylist()[:3]


def test_steps_are_written_also_where_a_batch_has_no_history_to_adapt_to(tmp_path, monkeypatch):
    monkeypatch.setattr("recsys_cl.serving.recommend.GROUP", 3)  # lists of three: one person a batch
    people = pa.table({"user_id": ["u01", None, "u02"], "item_ids": [None, past_of(0), None]})
    parquet.write_table(people, tmp_path / "people.parquet")
    recommend_to(made("meta-mf", tmp_path), tmp_path / "people.parquet", 3, tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found["steps"].to_pylist() == [0, 0, 0, 5, 5, 5, 0, 0, 0]


def test_a_model_that_does_not_adapt_says_nothing_of_steps(sasrec):
    assert "steps" not in recommend(sasrec, [None], 3, [past_of(0)]).column_names


@pytest.mark.parametrize("name", ["sasrec-softmax", "gru4rec", "bert4rec", "lightgcn", "ease", *ADAPTING])
def test_who_else_asks_does_not_matter(name, tmp_path):
    bundle = made(name, tmp_path)
    people, histories = [None, "u03", "nobody", None], [past_of(0), None, None, past_of(7)[:1]]
    together = lists(recommend(bundle, people, 4, histories))
    alone = [lists(recommend(bundle, [who], 4, [past]))[0] for who, past in zip(people, histories, strict=True)]
    assert together == alone


def test_a_history_comes_before_what_is_remembered_and_is_left_out_of_the_list(sasrec):
    history = past_of(7)
    answer = recommend(sasrec, ["u03"], 25, [history])
    assert set(answer["source"].to_pylist()) == {"history"}
    assert set(answer["user_id"].to_pylist()) == {"u03"}
    assert set(answer["item_id"].to_pylist()) == set(sasrec.item_ids.to_pylist()) - set(history)


def test_the_order_of_a_history_matters_to_a_sequence_model(sasrec):
    history = ["i01", "i02", "i03", "i04"]
    scores = [recommend(sasrec, [None], 5, [h])["score"].to_pylist() for h in (history, history[::-1])]
    assert not np.allclose(*scores)


def test_unknown_items_are_skipped_and_counted(sasrec):
    with_strange = recommend(sasrec, [None], 5, [["strange", "i01", "stranger", "i02"]])
    without = recommend(sasrec, [None], 5, [["i01", "i02"]])
    assert with_strange.drop_columns("unknown_items").equals(without.drop_columns("unknown_items"))
    assert set(with_strange["unknown_items"].to_pylist()) == {2}
    assert set(without["unknown_items"].to_pylist()) == {0}


@pytest.mark.parametrize("history", [[], ["strange"]])
def test_a_history_that_says_nothing_falls_back(sasrec, history):
    answer = recommend(sasrec, [None, "u03"], 4, [history, history]).to_pandas()
    assert answer["source"].tolist() == ["popular"] * 4 + ["personal"] * 4


def test_recipes_without_a_rule_answer_with_what_is_popular(tmp_path):
    bundle = made("mf-bpr", tmp_path)
    assert bundle.reader is None
    assert set(recommend(bundle, [None], 4, [["i01"]])["source"].to_pylist()) == {"popular"}


@pytest.mark.parametrize(
    ("people", "histories", "message"),
    [
        ([None], None, "neither an id nor a history"),
        ([None, "u01"], [["i01"]], "2 users and 1 histories"),
        ([None], ["i01"], "a history is a list"),
        ([None], [[1.5]], "item_id must be text"),
        ([None], [["i01"] * 10_001], "at most 10000 items"),
    ],
)
def test_what_cannot_be_read_is_refused(sasrec, people, histories, message):
    with pytest.raises(Refused, match=message):
        recommend(sasrec, people, 3, histories)


@pytest.mark.parametrize("name", ["sasrec-softmax", "lightgcn"])
def test_the_reader_is_kept_with_the_model(name, tmp_path):
    bundle = made(name, tmp_path)
    write_bundle(bundle, tmp_path / "bundle")
    asked = ([None, "u01"], 5, [past_of(2), None])
    assert recommend(read_bundle(tmp_path / "bundle"), *asked).equals(recommend(bundle, *asked))


def test_a_model_without_all_its_weights_reads_nothing(sasrec):
    del (weights := dict(sasrec.reader.weights))["encoder.unknown"]
    short = type(sasrec.reader)(sasrec.reader.recipe, SHAPE, weights)
    with pytest.raises(Refused, match=r"lack encoder\.unknown"):
        short.vectors(Ragged(torch.tensor([1]), torch.tensor([0, 1])))


@pytest.mark.slow
def test_the_registered_model_takes_histories_beside_ids_or_instead(sasrec, tmp_path):
    from mlflow.pyfunc import load_model

    write_model(sasrec, tmp_path / "model")
    model = load_model(str(tmp_path / "model"))
    both = model.predict(pd.DataFrame({"user_id": ["u01", None], "item_ids": [None, past_of(4)]}), params={"k": 3})
    pd.testing.assert_frame_equal(both, frame_of(recommend(sasrec, ["u01", None], 3, [None, past_of(4)])))
    assert both["user_id"].tolist() == ["u01"] * 3 + [None] * 3  # and not NaN, which is no JSON
    only = model.predict(pd.DataFrame({"item_ids": [past_of(4)]}), params={"k": 3})
    assert only["item_id"].tolist() == both["item_id"].tolist()[3:]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_file_of_histories(sasrec, tmp_path, kind, monkeypatch):
    from recsys_cl.serving import recommend as batch

    monkeypatch.setattr(batch, "GROUP", 6)  # two people a batch
    people = {"user_id": ["u01", None, "new"], "item_ids": [None, past_of(4), ["strange", "i01"]]}
    path = tmp_path / f"people.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.table(people), path)
    else:
        path.write_text(
            "".join(json.dumps({"user_id": u, "item_ids": h}) + "\n" for u, h in zip(*people.values(), strict=True))
        )
    counts = recommend_to(sasrec, path, 3, tmp_path / "out.parquet")
    written, whole = parquet.read_table(tmp_path / "out.parquet"), recommend(sasrec, people["user_id"], 3, people["item_ids"])
    pd.testing.assert_frame_equal(written.to_pandas(), whole.to_pandas())  # scores to rounding: other neighbours, other padding
    assert counts == {"users": 3, "rows": 9, "unknown": 0, "unknown_items": 1}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("people.csv", "user_id,item_ids\nu,i\n", "holds no list"),
        ("people.jsonl", '{"user_id": "u", "item_ids": []}\n{"user_id": "v"}\n', r"jsonl:2: item_ids must be in every line"),
        ("people.jsonl", '{"item_ids": "i01"}\n', r"jsonl:1: item_ids: a history is a list"),
        ("people.jsonl", '{"item_ids": ["i01"]}\n{"item_ids": ["i01", 1.5]}\n', r"jsonl:2: item_id must be text"),
        ("people.jsonl", '{"item_ids": {"i01": 1}}\n', r"jsonl:1: item_ids: a history is a list of item ids, not dict"),
        ("people.jsonl", '{"item_ids": null}\n', r"jsonl:1: empty user_id"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_line(sasrec, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(Refused, match=message):
        recommend_to(sasrec, tmp_path / name, 3, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_a_question_with_histories():
    asked = read_question(b'{"histories": [["a", "b"], null], "user_ids": [null, "u"], "k": 3}', "user_id", Limits())
    assert (asked.ids, asked.k, asked.histories) == ((None, "u"), 3, (("a", "b"), None))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"histories": ["a"]}', "for each who asks"),
        ('{"histories": [["a"]], "user_ids": []}', "same length"),
        ('{"histories": []}', "1 to 1000 histories"),
        ('{"histories": [[{}]]}', "item_id must be text"),
        ('{"histories": [["\\ud800"]]}', "surrogate"),
    ],
)
def test_a_question_with_bad_histories_is_refused(body, message):
    with pytest.raises(Refused, match=message):
        read_question(body.encode(), "user_id", Limits())


def test_items_have_no_histories():
    with pytest.raises(Refused, match="unknown key 'histories'"):
        read_question(b'{"item_ids": ["a"], "histories": []}', "item_id", Limits())


@pytest.mark.parametrize("asked", [{"content": True}, {"gaps": True}], ids=["content", "gaps"])
def test_what_encoders_read_beside_items_is_kept_or_read_as_unknown(asked, tmp_path):
    """Content comes with the weights; the histories of strangers have no times, and are read as those of one instant."""
    known = replace(log(), times=torch.zeros(len(log()), dtype=torch.int64))
    recipe = load_recipe("sasrec-softmax", SMALL["sequence"], {"encoder": asked, "source": {"times": True}})
    alive = bring_to_life.assemble(recipe, known, 1, torch.device("cpu"), features(shape=SHAPE))
    with torch.no_grad():
        for weight in alive.method.module.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    save_weights(alive.method.module, tmp_path / "weights.safetensors")
    reader = reader_of(json.loads(recipe.model_dump_json()), SHAPE, {}, tmp_path / "weights.safetensors")
    expected = encode_all(alive.method, alive.feed, torch.arange(SHAPE.users)).users
    torch.testing.assert_close(reader.vectors(known.by_user()), expected)
    with pytest.raises(Refused, match=r"source\.times"):
        write_encoder(SimpleNamespace(reader=reader), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore")  # of the exporter, in its own words
def test_an_encoder_in_onnx_reads_histories_as_the_library_does(sasrec, tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    from recsys_cl.serving.export import Wanted, export
    from recsys_cl.serving.portable import NAME, run_encoder

    facts = export(sasrec, tmp_path / "out", Wanted("onnx"))
    assert facts["parity"] >= 0.999
    histories = Ragged(torch.tensor([7, 1, 1, 3, 20, *range(25), *range(25), *range(10)]), torch.tensor([0, 1, 5, 65]))
    length = facts["inputs"]["items"][1]
    found = run_encoder(tmp_path / "out" / NAME, histories, length, block=2)
    torch.testing.assert_close(found, sasrec.reader.vectors(histories), rtol=1e-4, atol=1e-5)


def test_a_question_has_its_own_budget_of_steps_and_is_told_how_many_were_taken(tmp_path):
    bundle = made("meta-mf", tmp_path)
    own = load_recipe("meta-mf").method.arguments["steps"]
    past = [past_of(0)]
    whole = recommend(bundle, [None], 25, past).to_pandas()
    for budget in (0, 1, own, own + 7):
        told = recommend(within(bundle, budget), [None], 25, past).to_pandas()
        assert set(told["steps"]) == {min(budget, own)}
        same = told["score"].tolist() == whole["score"].tolist()
        assert same == (budget >= own), "fewer steps are another vector, and more than its own are never taken"
    assert set(recommend(bundle, [None], 5, past)["steps"].to_pylist()) == {own}, "a budget is the question's alone"


def test_a_budget_over_http_is_one_questions_own(tmp_path):
    served = SimpleNamespace(model="models:/few/1", bundle=made("meta-mf", tmp_path))
    bodies = [{"histories": [past_of(0)], "steps": 2}, {"histories": [past_of(0)]}]
    within_two, plain = (read_question(json.dumps(body).encode(), "user_id", Limits()) for body in bodies)
    assert within_two.ruled
    assert not plain.ruled
    assert replied(served, [within_two])[0]["users"][0]["steps"] == 2
    assert replied(served, [plain])[0]["users"][0]["steps"] == 5


@pytest.mark.parametrize("steps", [-1, 1.5, True, "2", None, 10**6])
def test_what_is_no_budget_is_refused(steps):
    with pytest.raises(Refused, match="steps must be a whole number from 0 to 1000"):
        read_question(json.dumps({"histories": [["i01"]], "steps": steps}).encode(), "user_id", Limits())


def test_a_model_that_adapts_to_nobody_has_no_budget(sasrec):
    with pytest.raises(Refused, match="steps: this model adapts to nobody"):
        within(sasrec, 3)
