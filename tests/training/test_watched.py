"""Watching changes nothing: the same batches come through, and what is shown goes to standard error only."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from recsys_cl.core.logs import set_up
from recsys_cl.training.watched import Watched


@pytest.fixture
def feed(toy_classes):
    return toy_classes[1]()


def _order(feed):
    return [batch.users.tolist() for batch in feed.training(torch.Generator().manual_seed(2))]


@pytest.mark.parametrize("terminal", [False, True])
def test_the_same_batches_come_through(feed, toy_classes, monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    plain = toy_classes[1]()
    with Watched(feed, "train/toy", 3, "ndcg@20") as watched:
        assert _order(watched) == _order(plain)
        watched.log({"loss/bpr": 0.5, "valid/ndcg@20": 0.25}, step=1)
        assert _order(watched) == _order(plain)
        assert next(watched.inference(torch.arange(3)))[1].tolist() == [0, 1, 2]
    assert (watched.shape, watched.steps) == (plain.shape, plain.steps)
    assert capsys.readouterr().out == ""


def test_without_a_terminal_an_epoch_is_one_line(feed, capsys):
    with Watched(feed, "train/toy", 3, "ndcg@20") as watched:
        watched.log({"loss/bpr": 0.5, "loss/l2": 0.25, "loss/gradient": 9.0, "valid/ndcg@20": 0.25}, step=1)
        watched.log({"loss/bpr": 0.5}, step=2)
        watched.log({"loss/bpr": 0.25, "valid/ndcg@20": 0.125}, step=3)
    assert capsys.readouterr().err.splitlines() == [
        "train/toy  epoch 1/3  loss 0.7500  ndcg@20 0.2500  best 0.2500",
        "train/toy  epoch 2/3  loss 0.5000  best 0.2500",
        "train/toy  epoch 3/3  loss 0.2500  ndcg@20 0.1250  best 0.2500",
    ]


def test_for_machines_an_epoch_is_one_object(feed, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)  # not even a terminal gets a bar then
    set_up("json")
    try:
        with Watched(feed, "train/toy", 3, "ndcg@20") as watched:
            watched.log({"loss/bpr": 0.5, "valid/ndcg@20": 0.25}, step=1)
    finally:
        set_up("text")
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["training"], line["epoch"], line["epochs"]) == ("epoch", "train/toy", 1, 3)
    assert (line["loss/bpr"], line["valid/ndcg@20"], line["best"]) == (0.5, 0.25, 0.25)


def test_an_error_closes_the_bar(feed, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    watched = Watched(feed, "train/toy", 3, "ndcg@20")
    with pytest.raises(KeyboardInterrupt), watched:
        raise KeyboardInterrupt
    assert watched._bar.finished or not watched._bar.live.is_started


def test_a_resumed_run_does_not_call_best_what_it_has_not_seen_all_of(feed, capsys):
    with Watched(feed, "train/toy", 9, "ndcg@20") as watched:
        watched.log({"valid/ndcg@20": 0.25}, step=4)
        watched.log({"valid/ndcg@20": 0.5}, step=5)
    assert "best" not in capsys.readouterr().err
