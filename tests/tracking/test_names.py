import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.tracking.names import from_mlflow, to_mlflow

parts = st.from_regex(re.compile(r"[a-z_\-. /]{1,12}", re.ASCII), fullmatch=True)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("recall@20", "recall_at_20"),
        ("valid/ndcg@10", "valid/ndcg_at_10"),
        ("loss/bpr", "loss/bpr"),
        ("hit_rate@1", "hit_rate_at_1"),
    ],
)
def test_translates_both_ways(ours, theirs):
    assert to_mlflow(ours) == theirs
    assert from_mlflow(theirs) == ours


@given(parts, st.none() | st.integers(0, 10**6))
def test_every_name_comes_back(name, k):
    whole = name if k is None else f"{name}@{k}"
    assert from_mlflow(to_mlflow(whole)) == whole


@pytest.mark.parametrize("name", ["", "recall_at_20", "a@b", "recall@20@20", "récall@20", "recall@20 ü", "x\n"])
def test_refuses_what_could_not_come_back(name):
    with pytest.raises(ValueError, match=r"MLflow|cannot name"):
        to_mlflow(name)
