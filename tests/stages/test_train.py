"""Every recipe goes through the one stage; what it writes depends on its inputs and its seed, and on no interruption."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from recsys_cl.config import Runtime, load_recipe
from recsys_cl.core.errors import Diverged, Refused, Unavailable
from recsys_cl.core.protocols import Job
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.evaluation.settings import Evaluation
from recsys_cl.ingest.dataset import load_interactions, load_shape
from recsys_cl.methods.contrastive import Contrastive
from recsys_cl.stages import fitting
from recsys_cl.stages.assemble import assemble, device_of
from recsys_cl.stages.train import TrainStage
from recsys_cl.training import checkpoint, loop
from recsys_cl.training.precision import Bfloat16
from recsys_cl.views.layer_noise import LayerNoiseView
from tests.shipped import SHIPPED

USERS, ITEMS, BLOCKS, EACH = 120, 80, 4, 9

CPU = torch.device("cpu")
EVALUATION = Evaluation(metrics=("recall", "ndcg"), ks=(12, 20))
READ_CONTENT = ("multimodal", "cross-domain")
CONTENT_TOO = ("content-profile", "meta-content")
FROM_LOGS = [n for n, recipe in SHIPPED.items() if recipe.family not in READ_CONTENT and n not in CONTENT_TOO]
"""Those that read the items' features as well learn in tests/test_modal_recipes.py and tests/test_cross_recipes.py."""
TRAINED = [name for name in FROM_LOGS if SHIPPED[name].family != "baseline"]
SMALL = {"source": {"batch_size": 64}, "encoder": {"dim": 16}}
MORE_STEPS = {"source": {"batch_size": 16}}
OWN_NEGATIVES = {"sampler": {"shared": False, "negatives": 32}}  # a good part of what is drawn for all is one's own
KINDER = {
    "coserec": MORE_STEPS,  # begins slowly under its contrast
    "gsasrec": MORE_STEPS | {"sampler": {"negatives": 4}},  # 256 would be every item left, three times over
    "directau": {"objectives": {"directau": {"gamma": 0.5}}},  # 2 spreads so few users further than alignment draws them
    "lightgcn-slatk": OWN_NEGATIVES,
    # 300 times what is not met keeps vectors that begin at nothing at nothing, where half of the catalogue is met by somebody alike
    "ultragcn": OWN_NEGATIVES | {"encoder": {"init": "xavier"}, "objectives": {"constraint": {"weight_negative": 10.0}}},
}
"""What settings made for thousands of items need on these few."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Users of a block meet items of that block only; each user's last item is held out."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    per_block = ITEMS // BLOCKS
    met = np.stack([rng.permutation(per_block)[:EACH] + per_block * (user % BLOCKS) for user in range(USERS)])
    _write(folder / "train", met[:, :-1], start=0)
    _write(folder / "valid", met[:, -1:], start=EACH)
    (folder / "vocabulary").mkdir()
    (folder / "vocabulary/shape.json").write_text(json.dumps({"users": USERS, "items": ITEMS}))
    return folder


def _write(path, items, start):
    times = np.broadcast_to(np.arange(items.shape[1]), items.shape)
    users = np.broadcast_to(np.arange(USERS)[:, None], items.shape)
    order = np.argsort(times.ravel(), kind="stable")
    columns = {
        "user": pa.array(users.ravel()[order], pa.int32()),
        "item": pa.array(items.ravel()[order], pa.int32()),
        "timestamp": pa.array((times.ravel()[order] + start) * 1_000_000, pa.int64()),
    }
    pq.write_table(pa.table(columns), path, write_page_checksum=True)


@pytest.fixture
def job_in(data, tmp_path):
    def make(name="scratch"):
        reads = {part: data / part for part in ("train", "valid", "vocabulary")}
        return Job(reads, tmp_path / name, "f" * 64)

    return make


@pytest.fixture
def fits(monkeypatch):
    """What every fit was given: its method and its generator."""
    seen, plain = [], fitting.fit

    def spy(method, *rest):
        seen.append((method, rest[4]))
        return plain(method, *rest)

    monkeypatch.setattr(fitting, "fit", spy)
    return seen


def _stage(name, *, seed=1, tracking=None, precision="fp32", **training):
    recipe = load_recipe(name, {"training": training})
    if recipe.family != "baseline":
        recipe = load_recipe(name, SMALL, {"training": training})
    return TrainStage(name, recipe, EVALUATION, Runtime(device="cpu", precision=precision), seed, tracking)


def _model(stage, job):
    stage.run(job)
    return job.out(stage.writes[0])


@pytest.mark.parametrize("name", FROM_LOGS)
def test_every_recipe_trains_through_the_one_stage(job_in, name):
    epochs = 0 if load_recipe(name).family == "baseline" else 2
    job = job_in()
    counts = _stage(name, epochs=epochs).run(job)
    folder = job.out(f"model/{name}")

    assert {path.name for path in folder.iterdir()} == {
        "weights.safetensors", "recipe.json", "summary.json", "history.jsonl", "cost.json"
    }  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["recipe"] == name
    assert summary["fingerprint"] == job.fingerprint
    assert summary["shape"] == {"users": USERS, "items": ITEMS}
    assert summary["epochs_run"] == epochs
    assert summary["valid"].keys() == {"recall@12", "recall@20", "ndcg@12", "ndcg@20"}
    assert counts["ndcg@20"] == summary["valid"]["ndcg@20"]
    assert json.loads((folder / "recipe.json").read_text())["title"] == load_recipe(name).title
    assert (summary["parameters"] > 0) == (epochs > 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_every_recipe_learns_the_planted_blocks(job_in, name):
    """The held-out item is one of the twelve of its block that are left: knowing the blocks means recall@12 near 1.

    Knowing nothing means 12/72. The contrast is weak, because here every batch sets nearly all users and items apart.
    """
    weak = {"objectives": {"contrast": {"weight": 0.05}}} if "contrast" in load_recipe(name).objectives else {}
    training = {"training": {"epochs": 60, "learning_rate": 0.01, "patience": 30, "refit": False}}
    recipe = load_recipe(name, SMALL, KINDER.get(name, {}), training, weak)
    counts = TrainStage(name, recipe, EVALUATION, Runtime(device="cpu"), 1).run(job_in())
    assert counts["recall@12"] > 0.8


def test_same_seed_same_bytes_and_another_seed_others(job_in):
    weights = [
        (_model(_stage("lightgcn", epochs=2, seed=seed), job_in(name)) / "weights.safetensors").read_bytes()
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize("name", ["sgl-edge", "cl4srec"])
@pytest.mark.parametrize("refit", [False, True])
def test_killed_between_epochs_it_ends_in_the_same_bytes(job_in, monkeypatch, name, refit):
    stage = _stage(name, epochs=4, refit=refit)
    whole = _model(stage, job_in("whole"))
    cut = job_in("cut")
    plain, written = checkpoint.write, []

    def killed(*arguments):
        plain(*arguments)
        written.append(arguments)
        if len(written) % 3 == 2:  # after the second epoch of each sitting, so twice or more in a row
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write", killed)
    kills = 0
    for _ in range(5):
        try:
            stage.run(cut)
            break
        except KeyboardInterrupt:
            kills += 1
            shutil.rmtree(cut.scratch / "out", ignore_errors=True)  # as the store does before it tries again
    assert kills >= 1 + refit
    again = cut.out(stage.writes[0])
    for file in ("weights.safetensors", "history.jsonl", "recipe.json"):
        assert (again / file).read_bytes() == (whole / file).read_bytes(), file


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_whatever_the_recipe_stopped_in_mid_epoch_it_ends_in_the_same_bytes(job_in, monkeypatch, name):
    stage, steps = _stage(name, epochs=3, patience=3), []
    monkeypatch.setattr(loop, "heed", lambda: steps.append("whole"))
    whole = _model(stage, job_in("whole"))
    middle, cut = len(steps) // 2 + 1, job_in("cut")

    def stopped():
        steps.append("cut")
        if steps.count("cut") == middle:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "heed", stopped)
    with pytest.raises(KeyboardInterrupt):
        stage.run(cut)
    shutil.rmtree(cut.scratch / "out", ignore_errors=True)
    again = _model(stage, cut)
    assert middle < steps.count("cut") < middle + steps.count("whole"), "it went on from a checkpoint, and not from the start"
    for file in ("weights.safetensors", "history.jsonl", "recipe.json"):
        assert (again / file).read_bytes() == (whole / file).read_bytes(), file
    one, other = (json.loads((folder / "summary.json").read_text()) for folder in (whole, again))
    assert (other["valid"], other["epochs"], other["epochs_run"]) == (one["valid"], one["epochs"], one["epochs_run"])


def test_what_ran_before_in_the_process_changes_nothing_and_nothing_is_left_changed(job_in):
    first = (_model(_stage("sasrec-softmax", epochs=1), job_in("a")) / "weights.safetensors").read_bytes()
    torch.manual_seed(99)
    before = torch.get_rng_state()
    second = (_model(_stage("sasrec-softmax", epochs=1), job_in("b")) / "weights.safetensors").read_bytes()
    assert first == second
    assert torch.equal(torch.get_rng_state(), before)


def test_a_refit_trains_afresh_on_train_and_valid_for_the_selected_epochs(job_in, monkeypatch):
    seen, runs = [], []
    plain = fitting.fit

    def spy(method, feed, judge, plan, *rest):
        run = plain(method, feed, judge, plan, *rest)
        seen.append((feed.steps, judge is None, plan.epochs, run.epoch))
        runs.append(run)
        return run

    monkeypatch.setattr(fitting, "fit", spy)
    folder = _model(_stage("mf-bpr", epochs=3, refit=True), job_in("refit"))
    alone = _model(_stage("mf-bpr", epochs=3), job_in("alone"))
    summary = json.loads((folder / "summary.json").read_text())

    best = summary["epochs"]
    train_steps, both_steps = -(-USERS * (EACH - 1) // 64), -(-USERS * EACH // 64)
    assert seen[:2] == [(train_steps, False, 3, 3), (both_steps, True, best, best)]
    assert summary["refit"]
    assert json.loads((folder / "cost.json").read_text())["seconds"] == pytest.approx(
        sum(run.seconds for run in runs[:2]), abs=1e-3
    )
    assert summary["valid"] == json.loads((alone / "summary.json").read_text())["valid"]
    assert (folder / "weights.safetensors").read_bytes() != (alone / "weights.safetensors").read_bytes()


def test_the_story_is_told_to_the_outside_tracker_too(job_in):
    story, opened = [], []

    class Told:
        def note(self, values):
            story.append(values)

        def log(self, metrics, step):
            story.append((step, set(metrics)))

    @contextmanager
    def tracking(fingerprint, name):
        opened.append((fingerprint, name))
        yield Told()

    _stage("mf-bpr", epochs=2, tracking=tracking).run(job_in())
    facts, *epochs = story
    assert opened == [("f" * 64, "mf-bpr")]
    assert facts["recipe.encoder.dim"] == "16"
    assert facts["seed"] == "1"
    assert [step for step, _ in epochs] == [1, 2]
    assert {"loss/bpr", "loss/l2", "loss/gradient", "valid/ndcg@20"} <= epochs[0][1]


def test_divergence_leaves_no_model(job_in):
    job = job_in()
    stage = _stage("mf-bpr", epochs=5, optimizer="sgd", learning_rate=1e38)
    with pytest.raises(Diverged, match=r"training\.learning_rate"):
        stage.run(job)
    assert not job.out(stage.writes[0]).exists()


@pytest.mark.parametrize(("precision", "kind"), [("bf16", Bfloat16), ("fp32", Contrastive)])
def test_precision_wraps_the_method_and_keeps_its_weights(job_in, fits, precision, kind):
    folder = _model(_stage("lightgcn", epochs=1, precision=precision), job_in())
    ((watched, _),) = fits
    assert type(watched._method) is kind
    weights = load_file(folder / "weights.safetensors")
    assert list(weights) == ["encoder.table"]
    assert weights["encoder.table"].dtype == torch.float32


def test_the_seed_reaches_training_and_every_initial_weight(job_in, fits, data):
    for seed in (1, 2, 1):
        _stage("mf-bpr", epochs=1, seed=seed).run(job_in(str(len(fits))))
    seeds = [rng.initial_seed() for _, rng in fits]
    assert seeds[0] == seeds[2] != seeds[1]
    train = load_interactions(data / "train", load_shape(data / "vocabulary"))
    tables = [assemble(load_recipe("mf-bpr"), train, seed, CPU).method.module.state_dict()["encoder.table"] for seed in (1, 2)]
    assert not torch.equal(*tables)


def test_main_view_and_views_reach_the_method(data):
    train = load_interactions(data / "train", load_shape(data / "vocabulary"))
    xsimgcl, sgl = (assemble(load_recipe(name), train, 1, CPU).method for name in ("xsimgcl", "sgl-edge"))
    assert type(xsimgcl.main_view) is LayerNoiseView
    assert not xsimgcl.views
    assert sgl.main_view is None
    assert len(sgl.views) == 2
    assert sgl.objectives["contrast"][0] == 0.1


def test_neither_test_part_nor_its_path_is_asked_for():
    assert _stage("mf-bpr").reads == ("train", "valid", "vocabulary")


def test_settings_that_decide_the_result_are_in_the_fingerprint_and_no_others():
    def settings(**more):
        return json.dumps(_stage("mf-bpr", **more).settings, sort_keys=True)

    assert settings(seed=2) != settings() != settings(learning_rate=0.5)
    many = TrainStage("mf-bpr", _stage("mf-bpr").recipe, EVALUATION, Runtime(device="cpu", threads=3), 1)
    assert json.dumps(many.settings, sort_keys=True) == settings()


def test_two_recipes_with_one_encoder_begin_with_the_same_weights(data):
    shape = load_shape(data / "vocabulary")
    train = load_interactions(data / "train", shape)
    tables = [
        assemble(load_recipe(name), train, 3, CPU).method.module.state_dict() for name in ("lightgcn", "sgl-edge", "simgcl")
    ]
    for name, value in tables[0].items():
        assert torch.equal(value, tables[1][name])
        assert torch.equal(value, tables[2][name])


@pytest.mark.parametrize("weight", ["heavy", True])
def test_a_weight_that_is_no_number_is_refused_by_key(weight):
    with pytest.raises(Refused, match=r"objectives\.bpr\.weight"):
        load_recipe("mf-bpr", {"objectives": {"bpr": {"weight": weight}}})


def test_what_is_solved_and_not_trained_costs_what_solving_takes(tmp_path):
    shape, both = Shape(2, 2), torch.tensor([0, 1])
    train, valid = (Interactions(shape, both, items, torch.zeros_like(both)) for items in (both, both.flip(0)))
    fitted = fitting.Fitting("ease", load_recipe("ease"), EVALUATION, Runtime(), 1, tmp_path).run(train, valid, None)
    assert fitted.epochs_run == 0
    assert fitted.seconds > 0


def test_nobody_to_validate_is_one_sentence(tmp_path):
    shape, none = Shape(2, 2), torch.empty(0, dtype=torch.int64)
    train = Interactions(shape, torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([0, 0]))
    fit = fitting.Fitting("mf", load_recipe("mf-bpr"), EVALUATION, Runtime(), 1, tmp_path)
    with pytest.raises(Refused, match="held-out"):
        fit.run(train, Interactions(shape, none, none, none), None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_not_there_is_unavailable():
    with pytest.raises(Unavailable, match=r"runtime\.device"):
        device_of(Runtime(device="cuda"))
    assert device_of(Runtime()) == CPU
