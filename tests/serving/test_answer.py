import json

import numpy as np
import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.serving.answer import id_text, recommend, similar


def slow(bundle, user: str, k: int) -> list[tuple[str, float]]:
    """The answer by sets, loops and fp64."""
    row = list(bundle.user_ids).index(user)
    seen = set(bundle.seen.row(row).tolist())
    scores = {i: float(bundle.users[row].double() @ v.double()) for i, v in enumerate(bundle.items) if i not in seen}
    best = sorted(scores, key=lambda i: (-scores[i], i))[:k]
    return [(bundle.item_ids[i].as_py(), scores[i]) for i in best]


def test_equals_the_slow_answer(bundle):
    table = recommend(bundle, bundle.user_ids, 7).to_pandas()
    for user in bundle.user_ids:
        mine = table[table["user_id"] == user]
        expected = slow(bundle, user, 7)
        assert mine["item_id"].tolist() == [item for item, _ in expected]
        assert mine["score"].tolist() == pytest.approx([score for _, score in expected], abs=1e-5)
        assert mine["rank"].tolist() == list(range(1, 8))
    assert set(table["source"]) == {"personal"}


def test_unknown_users_get_the_popular_marked_so(bundle):
    table = recommend(bundle, ["nobody", "u001"], 4).to_pandas()
    nobody = table[table["user_id"] == "nobody"]
    counts = bundle.counts.tolist()
    popular = sorted(range(len(counts)), key=lambda item: (-counts[item], item))[:4]
    assert nobody["item_id"].tolist() == [bundle.item_ids[item].as_py() for item in popular]
    assert nobody["score"].tolist() == [counts[item] for item in popular]
    assert nobody["source"].tolist() == ["popular"] * 4
    assert table[table["user_id"] == "u001"]["source"].tolist() == ["personal"] * 4


def test_all_at_once_is_one_by_one_in_the_order_asked(bundle):
    asked = ["u004", "nobody", "u000", "u004"]
    together = recommend(bundle, asked, 3).to_pylist()
    assert together == [row for user in asked for row in recommend(bundle, [user], 3).to_pylist()]


def test_nobody_asks(bundle):
    empty = recommend(bundle, [], 3)
    assert empty.num_rows == 0
    assert empty.schema == recommend(bundle, ["u001"], 3).schema


def test_lists_end_where_everything_was_seen(bundle):
    whole = recommend(bundle, ["u000"], len(bundle.item_ids)).to_pandas()
    unseen = len(bundle.item_ids) - len(bundle.seen.row(0))
    assert whole["rank"].tolist() == list(range(1, unseen + 1))
    assert np.isfinite(whole["score"]).all()


def test_seen_items_stay_where_the_model_was_built_so(bundle_with):
    bundle = bundle_with(meta={"exclude_seen": False})
    assert recommend(bundle, ["u000"], len(bundle.item_ids)).num_rows == len(bundle.item_ids)


def test_numbers_are_their_digits(bundle):
    assert [id_text(v) for v in (7, np.int64(7), "007", 2**70)] == ["7", "7", "007", str(2**70)]
    assert recommend(bundle, [7], 1)["user_id"].to_pylist() == ["7"]


@pytest.mark.parametrize("bad", [1.0, True, float("nan"), b"u", ["u"], "", "x" * 1025, "é" * 600])
def test_what_is_no_id_is_refused(bundle, bad):
    with pytest.raises(Refused, match="user_id must"):
        recommend(bundle, [bad], 1)


def test_the_length_of_an_id_is_told_in_bytes():
    assert id_text("é" * 512) == "é" * 512
    with pytest.raises(Refused, match="1 to 1024 bytes, not 1026"):
        id_text("é" * 513)


def test_half_a_character_is_no_text_wherever_it_stands(bundle):
    lone = json.loads('"\\ud800"')
    with pytest.raises(Refused, match="asker 1: user_id: a lone surrogate is not text"):
        recommend(bundle, ["u001", lone], 1)
    with pytest.raises(Refused, match="asker 0: item_id: a lone surrogate"):
        recommend(bundle, ["u001"], 1, [["i001", lone]])
    with pytest.raises(Refused, match="item_id: a lone surrogate"):
        similar(bundle, [lone], 1)


def test_whoever_has_neither_an_id_nor_a_history_is_refused(bundle):
    for histories in (None, [["i001"], None]):
        with pytest.raises(Refused, match="asker 1: empty user_id: there is neither an id nor a history"):
            recommend(bundle, ["u001", None], 1, histories)


@pytest.mark.parametrize("k", [0, -1, 31, 10**9, True, 2.0, "3", None])
def test_a_k_that_cannot_be_is_refused(bundle, k):
    with pytest.raises(Refused, match="k must be a whole number from 1 to 30"):
        recommend(bundle, ["u000"], k)


def test_too_much_at_once_is_refused(bundle):
    with pytest.raises(Refused, match="in batch"):
        recommend(bundle, ["u000"] * 1_000_000, 30)


def test_similar_is_by_cosine_and_never_itself(bundle):
    table = similar(bundle, ["i003", "i001"], 5).to_pandas()
    vectors = bundle.items.double()
    cosine = torch.nn.functional.cosine_similarity(vectors[3][None], vectors)
    best = [i for i in cosine.argsort(descending=True).tolist() if i != 3][:5]
    mine = table[table["item_id"] == "i003"]
    assert mine["similar_item_id"].tolist() == [f"i{i:03}" for i in best]
    assert mine["score"].tolist() == pytest.approx(cosine[best].tolist(), abs=1e-5)
    assert table["rank"].tolist() == [1, 2, 3, 4, 5] * 2


def test_similar_does_not_see_lengths(bundle_with, bundle):
    longer = bundle_with(items=bundle.items * torch.arange(1, 31)[:, None])
    assert similar(longer, ["i003"], 29)["similar_item_id"].equals(similar(bundle, ["i003"], 29)["similar_item_id"])


def test_an_item_that_is_not_there_is_refused_with_the_nearest(bundle):
    with pytest.raises(Refused, match="did you mean 'i003'"):
        similar(bundle, ["i0003"], 1)
    with pytest.raises(Refused, match="called like 'i000'"):
        similar(bundle, ["film"], 1)
    with pytest.raises(Refused, match="from 1 to 29"):
        similar(bundle, ["i003"], 30)
