"""The loop is the obvious loop, stops where it should, and leaves the best weights behind."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.training.loop import fit
from recsys_cl.training.plan import Plan
from recsys_cl.training.randomness import seed_globals


@pytest.mark.parametrize("clip", [None, 0.05])
def test_one_epoch_equals_eight_hand_written_lines(bench, toy_classes, clip):
    run = bench.fit(Plan(epochs=1, learning_rate=0.1, weight_decay=0.01, clip=clip), None)

    toy, feed = toy_classes[0](), toy_classes[1]()
    seed_globals(5)
    rng = torch.Generator().manual_seed(11)
    adam = torch.optim.Adam(toy.parameters(), lr=0.1, weight_decay=0.01, fused=True)
    for batch in feed.training(rng):
        adam.zero_grad()
        sum(toy.losses(batch, rng).values()).backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(toy.parameters(), clip)
        adam.step()

    for name, value in toy.state_dict().items():
        assert torch.equal(value, run.method.module.state_dict()[name]), name


def test_logged_losses_are_the_means_of_the_epoch(bench, toy_classes):
    bench.fit(Plan(epochs=1, learning_rate=1e-12), None)

    toy, feed = toy_classes[0](), toy_classes[1]()
    seed_globals(5)
    rng = torch.Generator().manual_seed(11)
    terms = [toy.train().losses(batch, rng) for batch in feed.training(rng)]
    ((step, row),) = bench.told.rows
    assert step == 1
    for name in ("fit", "size"):
        assert row[f"loss/{name}"] == pytest.approx(sum(float(t[name].detach()) for t in terms) / len(terms), rel=1e-6)
    assert row["loss/gradient"] > 0


def test_the_best_weights_stay_not_the_last(bench, script, toy_classes):
    run = bench.fit(Plan(epochs=4), script(0, 0.2, 0.5, 0.4, 0.5))
    assert (run.epoch, run.best.epoch) == (4, 2)  # of equals the first
    assert run.best.scores == {"ndcg@20": pytest.approx(0.5)}
    assert run.method.module.age == 2 * toy_classes[1].steps
    assert run.seconds > 0


@pytest.mark.parametrize(("every", "patience", "stop"), [(1, 1, 3), (1, 2, 4), (2, 1, 4), (2, 2, 6), (3, None, 7)])
def test_patience_counts_validations(bench, script, every, patience, stop):
    run = bench.fit(Plan(epochs=7, evaluate_every=every, patience=patience), script(0, 0.3, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4))
    assert run.epoch == stop
    assert [step for step, row in bench.told.rows if "valid/ndcg@20" in row] == sorted({*range(every, stop + 1, every), stop})


def test_a_late_improvement_within_patience_is_found(bench, script):
    assert bench.fit(Plan(epochs=6, patience=3), script(0, 0.5, 0.1, 0.1, 0.6, 0.1, 0.1)).best.epoch == 4


def test_without_a_judge_all_epochs_run_and_the_last_weights_stay(bench, toy_classes):
    run = bench.fit(Plan(epochs=3, patience=1), None)
    assert run.best is None
    assert run.method.module.age == 3 * toy_classes[1].steps


def test_no_epochs_means_the_initialisation(bench, script, toy_classes):
    run = bench.fit(Plan(epochs=0), script(0.3))
    assert run.best.epoch == 0
    assert torch.equal(run.method.module.user, toy_classes[0]().user)
    assert bench.told.rows == [(0, {"valid/ndcg@20": pytest.approx(0.3)})]
    assert "optimizer" not in vars(run), "which takes seconds to import"


def test_a_method_without_parameters_is_judged_once(bench, script, toy_classes):
    toy = toy_classes[0]().requires_grad_(requires_grad=False)
    run = bench.fit(Plan(epochs=5), script(0.3), toy=toy)
    assert (run.epoch, run.best.epoch, len(bench.told.rows)) == (0, 0, 1)


def test_a_metric_that_is_not_measured_is_refused(bench, script):
    with pytest.raises(Refused, match=r"training\.select: 'ndgc@20'.*did you mean 'ndcg@20'"):
        bench.fit(Plan(epochs=1, select="ndgc@20"), script(0, 0.1))


def test_an_epoch_without_batches_is_refused(toy_classes, tmp_path, monkeypatch):
    toy, feed, told = (make() for make in toy_classes)
    monkeypatch.setattr(feed, "training", lambda rng: iter(()))
    with pytest.raises(Refused, match="nothing to train on"):
        fit(toy, feed, None, Plan(epochs=1), told, torch.Generator(), tmp_path)


def test_it_learns_the_planted_checkerboard(bench):
    toy = bench.fit(Plan(epochs=300, learning_rate=0.02), None).method.module
    scores = toy.user @ toy.item.T
    wanted = torch.arange(scores.shape[0])[:, None] % 2 == torch.arange(scores.shape[1]) % 2
    assert scores[wanted].min() > scores[~wanted].max()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_the_schedule_reaches_the_optimizer(bench, optimizer):
    run = bench.fit(Plan(epochs=3, optimizer=optimizer, learning_rate=0.1, warmup=1, schedule="cosine"), None)
    assert run.optimizer.param_groups[0]["lr"] == Plan(epochs=3, learning_rate=0.1, warmup=1, schedule="cosine").rate(3)
