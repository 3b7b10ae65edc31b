"""The file tells the story of a run as if it had never been interrupted."""

from __future__ import annotations

import json
import math

import pytest

from recsys_cl.core.errors import Diverged, Refused
from recsys_cl.tracking.jsonl import JsonLines, replay


class Told:
    def __init__(self):
        self.story = []

    def note(self, values):
        self.story.append(dict(values))

    def log(self, metrics, step):
        self.story.append((step, dict(metrics)))


def _story(path):
    told = Told()
    replay(path, told)
    return told.story


def test_what_is_told_is_replayed_in_order(tmp_path):
    path = tmp_path / "history.jsonl"
    track = JsonLines(path)
    track.note({"recipe": "xsimgcl"})
    track.log({"loss/bpr": 0.1 + 0.2}, step=1)
    track.log({"valid/ndcg@20": 0.25}, step=1)
    assert _story(path) == [{"recipe": "xsimgcl"}, (1, {"loss/bpr": 0.1 + 0.2}), (1, {"valid/ndcg@20": 0.25})]


def test_every_record_is_in_the_file_when_the_call_returns(tmp_path):
    track = JsonLines(tmp_path / "history.jsonl")
    for step in (1, 2):
        track.log({"loss/bpr": 1.0}, step=step)
        lines = (tmp_path / "history.jsonl").read_text().splitlines()
        assert json.loads(lines[-1]) == {"step": step, "metrics": {"loss/bpr": 1.0}}
        assert len(lines) == step


def test_a_resumed_run_replaces_the_epoch_it_repeats(tmp_path):
    path = tmp_path / "history.jsonl"
    track = JsonLines(path)
    track.note({"recipe": "sgl"})
    for step in (1, 2, 3):
        track.log({"loss/bpr": float(step)}, step=step)
        track.log({"valid/ndcg@20": float(step)}, step=step)
    again = JsonLines(path)
    again.note({"recipe": "sgl"})
    again.log({"loss/bpr": 30.0}, step=3)
    again.log({"valid/ndcg@20": 30.0}, step=3)
    assert _story(path) == [
        {"recipe": "sgl"},
        *((s, {name: float(s)}) for s in (1, 2) for name in ("loss/bpr", "valid/ndcg@20")),
        (3, {"loss/bpr": 30.0}),
        (3, {"valid/ndcg@20": 30.0}),
    ]


@pytest.mark.parametrize("step", [1, 2])
def test_facts_repeated_on_resuming_are_recorded_once_and_new_ones_stay(tmp_path, step):
    path = tmp_path / "history.jsonl"
    track = JsonLines(path)
    track.note({"recipe": "sgl"})
    track.log({"loss/bpr": 1.0}, step=1)
    again = JsonLines(path)
    again.note({"recipe": "sgl"})
    again.note({"device": "cpu"})
    again.log({"loss/bpr": 1.0}, step=step)
    assert [record for record in _story(path) if isinstance(record, dict)] == [{"recipe": "sgl"}, {"device": "cpu"}]


def test_opening_it_again_without_a_word_changes_nothing(tmp_path):
    path = tmp_path / "history.jsonl"
    JsonLines(path).log({"loss/bpr": 1.0}, step=1)
    before = path.read_bytes()
    JsonLines(path)
    assert path.read_bytes() == before


def test_a_line_cut_by_a_kill_is_left_out_and_overwritten(tmp_path):
    path = tmp_path / "history.jsonl"
    JsonLines(path).log({"loss/bpr": 1.0}, step=1)
    with path.open("a") as stream:
        stream.write('{"step": 2, "metr')
    assert _story(path) == [(1, {"loss/bpr": 1.0})]
    JsonLines(path).log({"loss/bpr": 2.0}, step=2)
    assert _story(path) == [(1, {"loss/bpr": 1.0}), (2, {"loss/bpr": 2.0})]


@pytest.mark.parametrize("line", ["no json", "[1]", '{"step": 1}'])
def test_a_line_that_is_no_record_is_refused_by_number(tmp_path, line):
    path = tmp_path / "history.jsonl"
    path.write_text('{"note": {}}\n' + line + "\n")
    with pytest.raises(Refused, match=r"history\.jsonl:2"):
        _story(path)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused(tmp_path, bad):
    path = tmp_path / "history.jsonl"
    with pytest.raises(Diverged, match="step 4: metric 'loss/bpr'"):
        JsonLines(path).log({"loss/bpr": bad}, step=4)
    assert _story(path) == []
