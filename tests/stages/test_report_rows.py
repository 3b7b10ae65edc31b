"""One row of the report, by hand: recall at every depth, intervals of what has them, popularity of what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.stages.report_rows import read_trial


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    """User 4 has two held-out items, found at ranks 1 and 3; user 9 has one, found at rank 2."""
    (tmp_path / "metrics.json").write_text(json.dumps({"test_digest": "ab", "test": {}}))
    frame = pd.DataFrame(
        {"user": [4, 9], "user_id": ["d", "i"], "held_out": [2, 1], "recall@3": [1.0, 1.0], "coverage@3": [0.7, 0.3]}
    )
    frame.to_parquet(tmp_path / "per_user.parquet")
    lists = pd.DataFrame(
        {
            "user": [4, 4, 4, 9, 9, 9],
            "rank": np.array([1, 2, 3, 1, 2, 3], np.int32),
            "item": [0, 1, 2, 0, 2, 1],
            "score": np.float32(0),
            "hit": [True, False, True, False, True, False],
        }
    )
    lists.to_parquet(tmp_path / "recommendations.parquet")
    return tmp_path


def test_recall_at_every_depth_and_the_popularity_of_what_is_shown(evaluation: Path) -> None:
    row = read_trial("a", None, evaluation, [], np.array([60, 30, 0]))
    assert row.recall == [0.25, 0.75, 1.0]
    assert row.popularity == 30.0
    assert row.test == {"recall@3": 1.0, "coverage@3": 0.5}


def test_a_metric_of_the_catalogue_has_no_interval_over_users(evaluation: Path) -> None:
    assert set(read_trial("a", None, evaluation, [], None).intervals) == {"recall@3"}


def test_metrics_are_shown_as_asked_and_an_unknown_one_is_refused(evaluation: Path) -> None:
    assert list(read_trial("a", None, evaluation, ["coverage@3"], None).test) == ["coverage@3"]
    with pytest.raises(Refused, match=r"'ndcg@3' was not measured for evaluation 'a'"):
        read_trial("a", None, evaluation, ["ndcg@3"], None)


def test_what_was_not_kept_is_not_invented(evaluation: Path) -> None:
    (evaluation / "recommendations.parquet").unlink()
    row = read_trial("a", None, evaluation, [], np.array([1, 1, 1]))
    assert (list(row.recall), row.popularity, list(row.segments), dict(row.representation)) == ([], None, [], {})
    (evaluation / "representation.json").write_text('{"alignment": 0.5}')
    assert read_trial("a", None, evaluation, [], None).representation == {"alignment": 0.5}
