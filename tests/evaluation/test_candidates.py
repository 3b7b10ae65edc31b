"""Only candidates are ranked: the same as if the log had never held another item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Interactions, Ragged, Shape
from recsys_cl.evaluation.candidates import Candidates, candidates_of
from recsys_cl.evaluation.divisions import candidates_met, item_popularity, known_from
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.measure import measure
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ingest.dataset import select_items
from recsys_cl.ops.csr import csr
from tests.graphs import generator

SHAPE = Shape(users=30, items=24)
CHOSEN = Candidates(torch.tensor([1, 4, 5, 9, 12, 13, 20, 22, 23]), SHAPE.items, "domain = films")
METRICS = build_metrics(
    Evaluation(metrics=("recall", "ndcg", "coverage", "gini", "novelty", "auc", "popularity_lift"), ks=(3,))
)


def drawn(seed: int, count: int, highest: int = SHAPE.items) -> Interactions:
    rng = generator(seed)
    users, items = (torch.randint(high, (count,), generator=rng) for high in (SHAPE.users, highest))
    return Interactions(SHAPE, users, items, torch.zeros_like(users))


def vectors(seed: int = 3) -> Encoding:
    rng = generator(seed)
    return Encoding(torch.randn(SHAPE.users, 6, generator=rng), torch.randn(SHAPE.items, 6, generator=rng))


def by_hand(truth: Interactions, known: Interactions, encoding: Encoding) -> dict[int, list[int]]:
    """Each user's list of three, one user at a time."""
    lists = {}
    for user in range(SHAPE.users):
        seen = set(known.items[known.users == user].tolist())
        free = [item for item in CHOSEN.items.tolist() if item not in seen]
        lists[user] = sorted(free, key=lambda item: (-float(encoding.users[user] @ encoding.items[item]), item))[:3]
    return lists


def test_lists_are_those_of_the_candidates_and_recall_counts_what_was_held_out_of_them() -> None:
    truth, known, encoding = drawn(1, 200, SHAPE.items + 1), drawn(2, 150), vectors()
    held_out = hold_out(CHOSEN.among(truth), CHOSEN.among(known), exclude_seen=True)
    asking = CHOSEN.of(Encoding(encoding.users[held_out.users], encoding.items))
    found = measure(asking, held_out, METRICS, 2**30, "some")
    lists = by_hand(truth, known, encoding)
    for row, user in enumerate(held_out.users.tolist()):
        ranked = [int(CHOSEN.items[place]) for place in found.ranking.items[row] if place >= 0]
        assert ranked == lists[user]
        right = set(truth.items[truth.users == user].tolist()) & set(CHOSEN.items.tolist())
        assert float(found.values["recall@3"][row]) == pytest.approx(len(right & set(ranked)) / len(right))
    assert float(found.values["coverage@3"].mean()) == pytest.approx(
        len({item for row in found.ranking.items.tolist() for item in row}) / len(CHOSEN.items)
    )


def test_other_items_may_do_what_they_like() -> None:
    truth, known, encoding = drawn(1, 200), drawn(2, 150), vectors()
    outside = torch.ones(SHAPE.items, dtype=torch.bool)
    outside[CHOSEN.items] = False
    altered = Encoding(encoding.users, torch.where(outside[:, None], 100.0, encoding.items))
    more = known.then(Interactions(SHAPE, *(column[outside[drawn(5, 80).items]] for column in _columns(drawn(5, 80)))))

    def values(vectors: Encoding, before: Interactions) -> dict[str, Tensor]:
        held_out = hold_out(CHOSEN.among(truth), CHOSEN.among(before), exclude_seen=True)
        return measure(CHOSEN.of(Encoding(vectors.users[held_out.users], vectors.items)), held_out, METRICS, 2**30, "m").values

    one, other = values(encoding, known), values(altered, more)
    assert all(torch.equal(one[name], other[name]) for name in one)


def _columns(met: Interactions) -> tuple[Tensor, Tensor, Tensor]:
    return met.users, met.items, met.times


def test_sparse_items_are_cut_like_dense_ones() -> None:
    says = torch.randn(SHAPE.items, SHAPE.items, generator=generator(4)).relu()
    rows, columns = says.T.nonzero(as_tuple=True)
    offsets = torch.cat((torch.zeros(1, dtype=torch.int64), torch.bincount(rows, minlength=SHAPE.items).cumsum(0)))
    sparse = csr(offsets, columns, says.T[rows, columns], SHAPE.items).transpose(0, 1)
    assert torch.equal(CHOSEN.of(Encoding(torch.eye(2), sparse)).items.to_dense(), says[CHOSEN.items])


def test_rows_and_divisions_follow() -> None:
    kinds = Ragged.group(torch.arange(SHAPE.items), torch.arange(SHAPE.items) % 4, SHAPE.items)
    assert CHOSEN.rows(kinds).values.tolist() == (CHOSEN.items % 4).tolist()
    whole = item_popularity(drawn(2, 150))
    assert CHOSEN.divide(whole).of.tolist() == [*whole.of[CHOSEN.items].tolist(), 3]


def test_people_are_divided_by_where_they_are_known_from() -> None:
    users = torch.tensor([0, 0, 1, 2, 2, 2, 2])
    items = torch.tensor([1, 0, 0, 1, 4, 5, 9])
    known = Interactions(SHAPE, users, items, torch.zeros_like(users))
    asked = torch.tensor([0, 1, 2, 3])
    division = known_from(asked, known, CHOSEN)
    assert [division.labels[of] for of in division.of] == ["both", "other items", "candidates", "nothing"]
    bands = candidates_met(asked, known, CHOSEN)
    assert [bands.labels[of] for of in bands.of] == ["1-2", "0", "3-4", "0"]


def vocabulary(folder: Path) -> Path:
    domain = [["books"], ["films"], ["books", "films"], None]
    pq.write_table(pa.table({"item_id": list("abcd"), "domain": domain, "year": [1, 2, 1, 2]}), folder / "items.parquet")
    return folder


def test_candidates_are_chosen_by_columns(tmp_path: Path) -> None:
    folder = vocabulary(tmp_path)
    assert select_items(folder, {}) is None
    assert np.array_equal(select_items(folder, {"domain": "films"}), [1, 2])
    assert np.array_equal(select_items(folder, {"domain": "films", "year": "1"}), [2])


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"domian": "films"}, r"evaluation\.candidates\.domian: .*'domain'"),
        ({"domain": "film"}, r"evaluation\.candidates\.domain: no item has 'film'; did you mean 'films'"),
        ({"domain": "books", "item_id": "b"}, r"evaluation\.candidates: no item .* domain = books, item_id = b"),
    ],
)
def test_no_candidates_are_refused_by_key(tmp_path: Path, asked: dict[str, str], told: str) -> None:
    with pytest.raises(Refused, match=told):
        candidates_of(select_items(vocabulary(tmp_path), asked), 4, asked)
