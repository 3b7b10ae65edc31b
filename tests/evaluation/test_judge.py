"""The judge: planted scores become the right values, whatever the feed and the mode."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Interactions, Shape
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.evaluation.judge import Judge
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ops.csr import csr, is_sparse

SHAPE = Shape(6, 50)


class Tables(nn.Module):
    """A method whose vectors are given; its dropout would spoil them outside evaluation mode."""

    def __init__(self, users, items):
        super().__init__()
        self.users, self.items, self.drop, self.frozen = users, items, nn.Dropout(0.9), nn.Dropout(0.9)
        self.frozen.eval()

    @property
    def module(self):
        return self

    def losses(self, batch, rng):
        return {}

    def encode(self, source, users):
        assert not torch.is_grad_enabled()
        return Encoding(self.frozen(self.drop(self.users[users])), self.items)


class Portions:
    """A feed that serves users a few at a time, in an order of its own."""

    shape, steps, reads_histories = SHAPE, 0, False

    def training(self, rng):
        return iter(())

    def inference(self, users):
        for part in users.flip(0).split(2):
            yield "source", part


def met(*pairs):
    users, items = (torch.tensor([pair[side] for pair in pairs], dtype=torch.int64) for side in (0, 1))
    return Interactions(SHAPE, users, items, torch.arange(len(pairs)))


def oracle(truth):
    """Everyone's held-out items score highest."""
    return Tables(
        torch.eye(6), torch.stack([torch.isin(torch.arange(50), truth.items[truth.users == u]) for u in range(6)], 1) * 1.0
    )


METRICS = build_metrics(Evaluation(ks=(2, 5)))
TRUTH = met((5, 9), (0, 3), (0, 4), (2, 50), (2, 7))
KNOWN = met((0, 1), (0, 2), (5, 8), (1, 9))


def test_perfect_scores_get_perfect_marks():
    values = Judge(TRUTH, KNOWN, METRICS)(oracle(TRUTH), Portions())
    assert set(values) == {f"{m}@{k}" for m in Evaluation().metrics for k in (2, 5)}
    assert values["recall@2"].tolist() == [1, 0.5, 1]  # user 2's other item lies outside the vocabulary
    assert values["mrr@2"].tolist() == [1, 1, 1]
    assert values["precision@5"].tolist() == [0.4, 0.2, 0.2]


def test_known_items_are_left_out_of_the_lists_on_request():
    again = met((0, 1))
    assert Judge(again, KNOWN, METRICS)(oracle(again), Portions())["recall@5"].tolist() == [0]
    assert Judge(again, KNOWN, METRICS, exclude_seen=False)(oracle(again), Portions())["recall@5"].tolist() == [1]


def test_vectors_come_in_the_order_asked_and_modes_come_back():
    method = Tables(torch.arange(6.0)[:, None] + 1, torch.ones(50, 1))
    method.train()
    method.frozen.eval()
    encoding = encode_all(method, Portions(), torch.tensor([4, 0, 5]))
    assert encoding.users.flatten().tolist() == [5, 1, 6]
    assert (method.training, method.drop.training, method.frozen.training) == (True, True, False)


class Sparse(Tables):
    """The same vectors, stored sparsely."""

    def encode(self, source, users):
        found = super().encode(source, users)
        rows = len(found.users)
        return Encoding(csr(torch.arange(rows + 1), torch.zeros(rows, dtype=torch.int64), found.users[:, 0], 1), found.items)


def test_sparse_vectors_come_in_the_order_asked():
    method = Sparse(torch.arange(6.0)[:, None] + 1, torch.ones(50, 1))
    users = encode_all(method, Portions(), torch.tensor([4, 0, 5])).users
    assert is_sparse(users)
    assert users.to_dense().flatten().tolist() == [5, 1, 6]


def test_modes_come_back_after_an_error():
    method = Tables(torch.full((6, 1), torch.nan), torch.ones(50, 1))
    with pytest.raises(Refused, match="mine: 3 of 3 user vectors"):
        Judge(TRUTH, KNOWN, METRICS, model="mine")(method, Portions())
    method.users = None
    with pytest.raises(TypeError):
        encode_all(method, Portions(), torch.tensor([0]))
    assert method.drop.training


def test_all_users_cold_is_refused():
    with pytest.raises(Refused, match="nothing can be evaluated"):
        Judge(met(), KNOWN, METRICS)


def test_shuffled_truth_scores_at_chance():
    rng = torch.Generator().manual_seed(4)
    shape = Shape(2000, 50)
    truth = Interactions(shape, torch.arange(2000), torch.randint(0, 50, (2000,), generator=rng), torch.zeros(2000))
    known = Interactions(shape, truth.users[:0], truth.items[:0], truth.times[:0])
    feed = Portions()
    feed.shape = shape
    method = Tables(torch.randn(2000, 4, generator=rng), torch.randn(50, 4, generator=rng))
    recall = Judge(truth, known, METRICS)(method, feed)["recall@5"].mean().item()
    assert abs(recall - 0.1) < 5 * (0.1 * 0.9 / 2000) ** 0.5  # five standard errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"metrics": ("recal",)}, r"evaluation\.metrics\.0: no 'recal'.*did you mean 'recall'")],
)
def test_a_misspelt_metric_is_refused_by_key(changes, message):
    with pytest.raises(Refused, match=message):
        build_metrics(Evaluation(**changes))


@pytest.mark.parametrize("changes", [{"ks": (0,)}, {"ks": ()}, {"metrics": ()}, {"memory_mib": 0}, {"depth": 3}])
def test_settings_refuse_what_makes_no_sense(changes):
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        Evaluation(**changes)
