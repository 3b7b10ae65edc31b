"""Ten lines of Python: fit, ask, keep, ask again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_cl import Recommender
from recsys_cl.core.errors import Refused


@pytest.fixture(scope="module")
def logs() -> pd.DataFrame:
    """Two groups of users, each with its own half of the items."""
    rng = np.random.default_rng(0)
    users = rng.integers(0, 60, 1500)
    items = rng.integers(0, 20, 1500) + 20 * (users % 2)
    return pd.DataFrame({"user_id": users, "item_id": items, "timestamp": 1_600_000_000 + np.arange(1500)})


@pytest.fixture(scope="module")
def model(logs: pd.DataFrame) -> Recommender:
    settings = {"training": {"epochs": 12, "learning_rate": 0.02}, "objectives": {"contrast": {"weight": 0.02}}}
    return Recommender().fit(logs, recipe="xsimgcl", settings=settings)


def test_each_group_is_given_its_own_items_and_none_it_has_met(model: Recommender, logs: pd.DataFrame) -> None:
    top = model.recommend(range(60), k=3)
    same_half = (top["user_id"].astype(int) % 2) == (top["item_id"].astype(int) // 20)
    assert same_half.mean() > 0.9
    met = set(zip(logs["user_id"].astype(str), logs["item_id"].astype(str), strict=True))
    assert not met & set(zip(top["user_id"], top["item_id"], strict=True))


def test_alike_items_are_of_one_half(model: Recommender) -> None:
    near = model.similar(["3", "25"], k=5)
    assert ((near["item_id"].astype(int) // 20) == (near["similar_item_id"].astype(int) // 20)).mean() >= 0.8


def test_unknown_users_get_what_is_popular(model: Recommender) -> None:
    assert set(model.recommend(["nobody"], k=4)["source"]) == {"popular"}


def test_one_text_or_a_table_is_not_several_ids(model: Recommender) -> None:
    for wrong in ("3", pd.DataFrame({"user_id": ["3"]})):
        with pytest.raises(Refused, match="users: "):
            model.recommend(wrong)
        with pytest.raises(Refused, match="items: "):
            model.similar(wrong)
    with pytest.raises(Refused, match=r"users: several ids are meant, not one int; say \[3\]"):
        model.recommend(3)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="users: name those who ask, or hand over their histories"):
        model.recommend()
    assert len(model.recommend(pd.Series(["3"]), k=2)) == 2
    assert set(model.recommend(histories=[["3"]], k=2)["source"]) == {"folded"}


def test_a_kept_model_answers_the_same(model: Recommender, tmp_path: Path) -> None:
    model.save(tmp_path / "kept")
    again = Recommender.load(tmp_path / "kept")
    pd.testing.assert_frame_equal(again.recommend([1, 2], k=5), model.recommend([1, 2], k=5))


def test_an_empty_recommender_says_what_to_do() -> None:
    with pytest.raises(Refused, match=r"call fit\(\) or Recommender\.load\(\) first"):
        Recommender().recommend(["u"])


@pytest.mark.parametrize("wrong", [[1, 2], None, {"user_id": [1]}, pd.Series([1])])
def test_what_is_no_table_of_logs_is_refused(wrong: object) -> None:
    with pytest.raises(Refused, match=f"logs: a pandas frame, or the path of a file, is meant, not {type(wrong).__name__}"):
        Recommender().fit(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [{"user_id": [1, "a"]}, {"user_id": [1, 2], "item_id": [3, 4]}])
def test_a_frame_that_no_file_can_hold_is_refused(columns: dict[str, list[object]]) -> None:
    frame = pd.DataFrame(columns)
    frame.columns = pd.Index(["user_id"] * len(columns))
    with pytest.raises(Refused, match="logs: the frame cannot be written as Parquet: "):
        Recommender().fit(frame)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"\.csv, \.jsonl, \.parquet"):
        Recommender().fit(tmp_path / "logs.xlsx")
