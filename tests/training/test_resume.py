"""Killed anywhere and started again, training ends in the bytes of a run left alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from recsys_cl.core.errors import Diverged, Refused
from recsys_cl.ops.topk import require_finite
from recsys_cl.training import checkpoint, randomness
from recsys_cl.training.plan import Plan

PLAN = Plan(epochs=5, learning_rate=0.1, schedule="cosine", warmup=1)
RISING = (0, 0.1, 0.2, 0.3, 0.4, 0.5)


def _bytes(folder):
    """All that the newest checkpoint holds, except wall time."""
    parts, facts = checkpoint.read(folder)
    tensors = {f"{part}/{name}": value.numpy().tobytes() for part, values in parts.items() for name, value in values.items()}
    return tensors, {key: value for key, value in facts.items() if key != "seconds"}


@pytest.mark.parametrize("killed_at", range(1, 16))
def test_killed_at_any_batch_it_ends_in_the_same_bytes(make_bench, script, killed_at):
    whole, cut = make_bench("whole"), make_bench("cut")
    uninterrupted = whole.fit(PLAN, script(*RISING))
    with pytest.raises(KeyboardInterrupt):
        cut.fit(PLAN, script(*RISING), killed_at=killed_at)
    resumed = cut.fit(PLAN, script(*RISING))

    assert _bytes(cut.folder) == _bytes(whole.folder)
    assert cut.told.rows == whole.told.rows
    assert resumed.best.epoch == uninterrupted.best.epoch == 5
    for name, value in uninterrupted.method.module.state_dict().items():
        assert torch.equal(value, resumed.method.module.state_dict()[name]), name


def test_the_process_wide_generators_end_in_the_same_state(make_bench, script):
    drawn = []
    for kill in (None, 8):
        bench = make_bench(str(kill))
        if kill:
            with pytest.raises(KeyboardInterrupt):
                bench.fit(PLAN, script(*RISING), killed_at=kill)
        bench.fit(PLAN, script(*RISING))
        drawn.append((random.random(), np.random.standard_normal(), torch.rand(3).tolist()))  # noqa: NPY002
    assert drawn[0] == drawn[1]


def test_best_weights_and_patience_outlive_a_kill(make_bench, script):
    """The best epoch lies before the interruption, so both must come from the checkpoint."""
    plan, falling = PLAN.model_copy(update={"patience": 3}), script(0, 0.5, 0.6, 0.3, 0.2, 0.1)
    whole, cut = make_bench("whole"), make_bench("cut")
    uninterrupted = whole.fit(plan, falling)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(plan, falling, killed_at=13)  # in epoch 5
    resumed = cut.fit(plan, falling)
    assert resumed.best.epoch == uninterrupted.best.epoch == 2
    assert resumed.epoch == uninterrupted.epoch == 5
    assert torch.equal(resumed.method.module.user, uninterrupted.method.module.user)


def test_a_run_that_stopped_early_does_not_train_on(bench, script):
    plan, falling = PLAN.model_copy(update={"patience": 1}), script(0, 0.5, 0.4, 0.3, 0.2, 0.1)
    assert bench.fit(plan, falling).epoch == 2
    rows = len(bench.told.rows)
    again = bench.fit(plan, falling)
    assert (again.epoch, again.best.epoch, len(bench.told.rows)) == (2, 1, rows)


@pytest.mark.parametrize("harm", ["flip a tensor", "flip a fact", "truncate", "lose the tensors", "empty the facts"])
def test_a_damaged_newest_checkpoint_falls_back_one(make_bench, script, harm):
    whole, hurt = make_bench("whole"), make_bench("hurt")
    whole.fit(PLAN, script(*RISING))
    with pytest.raises(KeyboardInterrupt):
        hurt.fit(PLAN, script(*RISING), killed_at=12)
    tensors, facts = hurt.folder / "000003.safetensors", hurt.folder / "000003.json"
    content = bytearray(tensors.read_bytes())
    if harm == "flip a tensor":
        content[len(content) // 2] ^= 1
        tensors.write_bytes(content)
    elif harm == "flip a fact":
        facts.write_text(facts.read_text().replace('"epoch": 3', '"epoch": 2'))
    elif harm == "truncate":
        tensors.write_bytes(content[:-7])
    elif harm == "lose the tensors":
        tensors.unlink()
    else:
        facts.write_text("")
    with pytest.warns(RuntimeWarning, match=r"000003\.json is damaged"):
        hurt.fit(PLAN, script(*RISING))
    assert _bytes(hurt.folder) == _bytes(whole.folder)


def test_two_generations_are_kept(bench, script):
    bench.fit(PLAN, script(*RISING))
    assert sorted(path.name for path in bench.folder.iterdir()) == [
        "000004.json",
        "000004.safetensors",
        "000005.json",
        "000005.safetensors",
    ]


def test_tensors_whose_facts_were_never_written_do_not_count(bench, script):
    with pytest.raises(KeyboardInterrupt):
        bench.fit(PLAN, script(*RISING), killed_at=8)
    (bench.folder / "000003.safetensors").write_bytes(b"half")
    assert bench.fit(PLAN, script(*RISING)).epoch == 5


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"learning_rate": 0.2}, "(training.learning_rate: 0.1 there, 0.2 here)"),
        ({"epochs": 6}, "(training.epochs: 5 there, 6 here)"),
        ({"patience": 9, "clip": 2.0}, "(training.clip: null there, 2.0 here; training.patience: null there, 9 here)"),
    ],
)
def test_a_checkpoint_of_another_plan_is_refused_with_the_difference(bench, script, change, difference):
    bench.fit(PLAN, script(*RISING))
    with pytest.raises(Refused, match="other settings") as refused:
        bench.fit(PLAN.model_copy(update=change), script(*RISING, 0.6))
    assert difference in str(refused.value)


def test_a_checkpoint_of_another_model_is_refused(bench, script, toy_classes):
    bench.fit(PLAN, script(*RISING))
    larger = toy_classes[0]()
    larger.item = torch.nn.Parameter(torch.zeros(11, 3))
    with pytest.raises(Refused, match=r"weight item: torch.float32 \[\d+, 3\] there, torch.float32 \[11, 3\] here"):
        bench.fit(PLAN, script(*RISING), toy=larger)


def test_a_weight_that_is_not_finite_is_never_saved(bench, script, toy_classes, monkeypatch):
    toy = toy_classes[0]()
    monkeypatch.setattr(toy, "losses", _spoil_at_the_last_step_of_epoch_two(toy))
    with pytest.raises(Diverged, match="epoch 2: weight 'user'"):
        bench.fit(PLAN, script(*RISING), toy=toy)
    parts, facts = checkpoint.read(bench.folder)
    assert facts["epoch"] == 1
    assert all(value.isfinite().all() for value in parts["weights"].values())


def test_weights_that_are_not_finite_are_not_judged(bench, toy_classes, monkeypatch):
    toy, judged = toy_classes[0](), []
    monkeypatch.setattr(toy, "losses", _spoil_at_the_last_step_of_epoch_two(toy))

    def judge(method, feed):
        judged.append(int(method.age))
        return {"ndcg@20": torch.zeros(2, dtype=torch.float64)}

    with pytest.raises(Diverged, match=r"epoch 2: weight 'user' is not finite; look at training\.learning_rate"):
        bench.fit(PLAN, judge, toy=toy)
    assert judged == [3]


def test_scores_that_overflow_are_told_with_the_epoch(bench):
    def judge(method, feed):
        require_finite(torch.full((2, 3), 1e30), torch.full((4, 3), 1e30), "the model")

    with pytest.raises(Diverged, match=r"^epoch 1: the model: vectors are so long .*; look at training\.learning_rate$"):
        bench.fit(PLAN, judge)


def _spoil_at_the_last_step_of_epoch_two(toy):
    plain = toy.losses

    def losses(batch, rng):
        terms = plain(batch, rng)
        if int(toy.age) == 6:
            with torch.no_grad():
                toy.user[0] = torch.nan  # after the loss was computed: only the check before saving can see it
        return terms

    return losses


def test_each_of_many_devices_gets_its_own_state_and_one_that_is_gone_none(monkeypatch):
    tensors, values = randomness.capture()
    tensors |= {f"cuda{index}": torch.tensor([index], dtype=torch.uint8) for index in range(13)}
    given = {}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 12)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, index: given.update({index: state.item()}))
    randomness.restore(tensors, values)
    assert given == {index: index for index in range(12)}


def test_capture_and_restore_are_inverse():
    randomness.seed_globals(3)
    random.gauss(0, 1)  # leaves a spare normal behind, in python and in numpy
    np.random.standard_normal()  # noqa: NPY002
    kept = randomness.capture()
    first = (random.gauss(0, 1), np.random.standard_normal(), torch.rand(2).tolist())  # noqa: NPY002
    randomness.seed_globals(4)
    randomness.restore(*kept)
    assert (random.gauss(0, 1), np.random.standard_normal(), torch.rand(2).tolist()) == first  # noqa: NPY002
