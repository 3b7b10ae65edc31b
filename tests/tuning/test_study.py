"""Trials are the same whatever interrupted them, are counted once, and outlive the process."""

from __future__ import annotations

import math

import pytest

from recsys_cl.core.errors import Unavailable
from recsys_cl.core.settings import Component
from recsys_cl.tuning.finished import best
from recsys_cl.tuning.pruning import Pruned, Pruning
from recsys_cl.tuning.space import build_space
from recsys_cl.tuning.study import Study

RANGES = build_space(
    {
        "rate": Component.model_validate({"use": "log_uniform", "low": 1e-4, "high": 1.0}),
        "dim": Component.model_validate({"use": "integer", "low": 1, "high": 64}),
        "kind": Component.model_validate({"use": "choice", "values": ["a", "b"]}),
    }
)
OWN = {"rate": 0.5, "dim": 8, "kind": "b"}


def study(folder, *, seed=1, name="s", own=OWN, ranges=RANGES, pruner="none", epochs=10):
    return Study(folder / "studies.db", name, ranges, own, seed, pruner, epochs)


def score(values):
    """Best at rate 0.01, dim 40."""
    return -abs(math.log10(values["rate"]) + 2) - abs(values["dim"] - 40) / 40


def search(folder, trials, **options):
    with study(folder, **options) as made:
        while len(made.finished()) < trials:
            trial = made.ask()
            made.tell(trial, "complete", score(trial.values), {"n": trial.number})
        return [(trial.value, dict(trial.values)) for trial in made.finished()]


def test_the_first_trial_is_the_recipes_own(tmp_path):
    found = search(tmp_path, 3)
    assert found[0][1] == OWN
    assert found[1][1] != OWN
    assert search(tmp_path, 1, name="drawn", own=None)[0][1] != OWN


@pytest.mark.slow
def test_the_same_seed_gives_the_same_trials_in_however_many_sittings(tmp_path):
    whole = search(tmp_path / "a", 9)
    for trials in (1, 2, 6, 9):
        pieces = search(tmp_path / "b", trials)
    assert pieces == whole
    assert search(tmp_path / "c", 9, seed=2) != whole


@pytest.mark.slow
def test_later_trials_learn_from_earlier_ones(tmp_path):
    values = [value for value, _ in search(tmp_path, 40)]
    assert max(values[5:]) > max(values[:5])
    assert sum(values[20:]) / 20 > sum(values[1:6]) / 5 + 0.3


@pytest.mark.slow
def test_a_trial_that_never_ended_is_asked_for_again_and_counted_once(tmp_path):
    whole = search(tmp_path / "a", 6)
    for trials in range(6):
        search(tmp_path / "b", trials)
        with study(tmp_path / "b") as made:
            dead = made.ask()  # and its process dies
        assert dead.number == trials
        with study(tmp_path / "b") as made:
            made.ask().handle.set_user_attr("facts", {})  # dies while telling
    assert search(tmp_path / "b", 6) == whole


def test_a_trial_whose_death_came_between_two_words_of_its_end_is_asked_for_again(tmp_path):
    whole = search(tmp_path / "a", 4)
    with study(tmp_path / "b") as made:
        made.ask().handle.set_user_attr("failed", False)  # noqa: FBT003 - Optuna's order
        assert made.finished() == []
    assert search(tmp_path / "b", 4) == whole


def test_a_death_before_the_first_trial_leaves_one_first_trial(tmp_path):
    whole = search(tmp_path / "a", 3)
    with study(tmp_path / "b") as made:
        made._study.enqueue_trial(dict(OWN))  # the last thing its process did
    assert search(tmp_path / "b", 3) == whole


def test_how_a_trial_ended_is_kept(tmp_path):
    with study(tmp_path) as made:
        made.tell(made.ask(), "failed", None, {"reason": "diverged"})
        first = made.ask()
        first.handle.report(0.1, 1)
        made.tell(first, "pruned", None, {"epochs_run": 1})
        made.tell(made.ask(), "complete", 0.3, {"valid": {"ndcg@20": 0.3}})
        made.tell(made.ask(), "complete", 0.3, {})
    with study(tmp_path) as made:
        ended = made.finished()
    assert [trial.state for trial in ended] == ["failed", "pruned", "complete", "complete"]
    assert [trial.value for trial in ended] == [None, None, 0.3, 0.3]
    assert [trial.number for trial in ended] == [0, 1, 2, 3]
    assert ended[0].facts == {"reason": "diverged"}
    assert best(ended) == ended[2], "of equals the first"
    assert best(ended[:2]) is None


def test_without_anything_to_vary_there_is_still_a_trial(tmp_path):
    with study(tmp_path, ranges={}, own={}) as made:
        trial = made.ask()
        assert trial.values == {}
        made.tell(trial, "complete", 0.1, {})
        assert len(made.finished()) == 1


def given_up(trial, score):
    """The epoch after which a trial with this score in every epoch is given up; None: it never is."""
    tracker = Pruning(trial.handle, "ndcg@20", last=10)
    try:
        for epoch in range(1, 11):
            tracker.log({"valid/ndcg@20": score}, epoch)
    except Pruned as end:
        return end.epoch
    return None


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_trial_worse_than_the_others_is_given_up(tmp_path, pruner):
    with study(tmp_path, pruner=pruner) as made:
        for _ in range(12):
            trial = made.ask()
            assert given_up(trial, 0.5) is None
            made.tell(trial, "complete", 0.5, {})
        assert 1 <= given_up(made.ask(), 0.01) < 10


def sat_through(folder, pruner, *deaths):
    """(values, last epoch) of 14 trials on curves of their own; the process dies once at every (trial, epoch) of ``deaths``."""
    left, found = set(deaths), []
    while len(found) < 14:
        with study(folder, pruner=pruner, epochs=27) as made:
            trial, epoch = made.ask(), 0
            if (trial.number, 0) in left:
                left.remove((trial.number, 0))
                continue
            tracker = Pruning(trial.handle, "ndcg@20", 27, trial.told)
            try:
                for epoch in range(1, 28):  # from the start: a story is told again
                    wiggle = trial.values["dim"] * 37 % 10 / 10 / epoch
                    tracker.log({"valid/ndcg@20": score(trial.values) - wiggle}, epoch)
                    if (trial.number, epoch) in left:
                        break
            except Pruned:
                pass
            if (trial.number, epoch) in left:
                left.remove((trial.number, epoch))
                continue
            state = "complete" if epoch == 27 else "pruned"
            made.tell(trial, state, score(trial.values) if epoch == 27 else None, {})
            found.append((dict(trial.values), epoch))
    assert not left
    return found


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_trials_are_given_up_where_they_would_be_had_nothing_died(tmp_path, pruner):
    whole = sat_through(tmp_path / "a", pruner)
    assert {epoch < 27 for _, epoch in whole} == {True, False}
    assert sat_through(tmp_path / "b", pruner, (0, 2), (2, 0), (2, 5), (7, 1)) == whole


class Told:
    """A trial that always wants to stop."""

    def __init__(self):
        self.reports = []

    def report(self, value, step):
        self.reports.append((step, value))

    def should_prune(self):
        return True


def test_only_validation_is_judged_and_never_after_the_last_epoch():
    trial = Told()
    tracker = Pruning(trial, "ndcg@20", last=3)
    tracker.note({"a": "b"})
    tracker.log({"loss/bpr": 1.0, "valid/recall@20": 0.2}, 1)
    assert trial.reports == []
    with pytest.raises(Pruned, match="after epoch 2"):
        tracker.log({"valid/ndcg@20": 0.1}, 2)
    with pytest.raises(Pruned):
        tracker.log({"valid/ndcg@20": 0.1}, 2)
    tracker.log({"valid/ndcg@20": 0.2}, 3)
    assert trial.reports == [(2, 0.1), (3, 0.2)], "each epoch is reported once"


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "studies.db").write_bytes(b"not a database" * 100)
    with pytest.raises(Unavailable, match=r"studies\.db"):
        study(tmp_path)
