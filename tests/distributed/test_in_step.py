"""Several processes that take a share each compute what one process computes."""

from __future__ import annotations

import json

import pytest
import torch

from recsys_cl.config import load_recipe
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.ranks import ALONE, Ranks
from recsys_cl.stages.assemble import assemble
from recsys_cl.training.own_share import OwnQueries, own_share
from tests.distributed import acts
from tests.distributed.processes import in_processes

ACTS = acts.__file__


@pytest.mark.slow
def test_two_processes_train_the_weights_of_one(tmp_path):
    both = in_processes(ACTS, "all_recipes", tmp_path)
    for name in acts.RECIPES:
        alone = acts.trained(name, ALONE)
        for rank in both:
            for step, expected in zip(rank[name]["losses"], alone["losses"], strict=True):
                assert step == pytest.approx(expected, rel=1e-5), name
            for key, expected in alone["weights"].items():
                found = torch.tensor(rank[name]["weights"][key])
                assert found.allclose(torch.tensor(expected), rtol=1e-4, atol=1e-6), f"{name}: {key}"
        assert both[0][name]["weights"] == both[1][name]["weights"], f"{name}: the processes drifted apart"
    exact = acts.trained("xsimgcl", ALONE)["weights"]
    assert both[0]["xsimgcl"]["weights"] == exact, "a graph's products are shared out by rows: not one bit may change"


@pytest.mark.slow
def test_rows_of_one_process_alone_are_another_loss_and_still_train_in_step(tmp_path):
    first, second = in_processes(ACTS, "own_rows_only", tmp_path)
    assert first == second
    whole = acts.trained("xsimgcl", ALONE)["losses"][0]
    assert first["losses"][0]["bpr"] == pytest.approx(whole["bpr"], rel=1e-5)
    assert first["losses"][0]["contrast"] < whole["contrast"] - 0.01, "half the negatives make a smaller denominator"


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_users_shared_for_evaluation_get_the_values_of_one_process(tmp_path, size):
    expected = json.loads(json.dumps(acts.judged(ALONE)))
    for found in in_processes(ACTS, "judged", tmp_path, size=size):
        assert found == expected


@pytest.mark.slow
def test_parts_are_gathered_in_order_and_rank_0_is_heard(tmp_path):
    expected = acts.told(ALONE)
    for rank in in_processes(ACTS, "told", tmp_path):
        assert rank[:5] == expected[:5]
        assert rank[5] == [1.5]


@pytest.mark.slow
@pytest.mark.parametrize(("act", "timeout", "left"), [("dies", 100, "gone"), ("hangs", 4, "idle")])
def test_a_process_that_died_or_hangs_is_an_error(tmp_path, act, timeout, left):
    said, other = in_processes(ACTS, act, tmp_path, timeout=timeout)
    assert other == left
    assert said.startswith("rank 0 of 2 does not hear the others any more: one has died or hangs (")
    assert said.endswith("The same command goes on from the last checkpoint")


@pytest.mark.parametrize("name", ["sasrec-softmax", "bert4rec", "cl4srec"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_parts_of_histories_encode_to_the_rows_of_the_whole(name, count):
    made = assemble(load_recipe(name, acts.SMALL), acts.logs(), 1, torch.device("cpu"))
    made.method.module.eval()
    batch = next(iter(made.feed.training(torch.Generator().manual_seed(1))))
    views = [batch.source, batch.source.at_the_end()]
    for source in views:
        (whole,) = made.method.encoder([source], batch.users, batch.items)
        rows = []
        for index in range(count):
            part, bounds = source.part(index, count)
            (found,) = made.method.encoder([part], batch.users, batch.items)
            assert len(found.users) == bounds[index + 1] - bounds[index]
            rows.append(found.users)
        assert torch.cat(rows).allclose(whole.users, rtol=1e-4, atol=1e-6)
    assert batch.source.part(0, len(batch.users) + 1) is None


MEANS = ["softmax", "bce", "gbce", "ccl", "slatk"]


def _objective(name):
    from recsys_cl.core.build import build
    from recsys_cl.core.settings import Component

    known = acts.logs()
    extra = {"k": 2} if name == "slatk" else {}
    return build(
        "objectives", Component(use=name, **extra), name, shape=known.shape, interactions=known, rng=torch.Generator(), dim=4
    )


@pytest.mark.parametrize("name", MEANS)
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("queries", [1, 7])
def test_what_says_to_be_a_mean_of_queries_is_the_mean_over_its_shares(name, shared, queries):
    rng = torch.Generator().manual_seed(4)
    users, items = torch.randn(5, 4, generator=rng), torch.randn(6, 4, generator=rng)
    drawn = torch.randint(6, (3,) if shared else (queries, 3), generator=rng)
    query, positive = torch.randint(5, (queries,), generator=rng), torch.randint(4, (queries,), generator=rng)
    batch = Batch(None, torch.arange(5), torch.arange(6), 4, query, positive, drawn)
    main, objective = Encoding(users, items), _objective(name)
    assert objective.mean_of_queries
    parts = [OwnQueries(objective, Ranks(rank, 3))(main, [], batch) for rank in range(3)]
    assert torch.stack(parts).mean().isclose(objective(main, [], batch), rtol=1e-5)


def test_in_batch_expectations_depend_on_all_queries_and_are_not_shared():
    from recsys_cl.objectives.softmax import Softmax

    assert not Softmax(interactions=acts.logs(), log_q=True).mean_of_queries


def test_fewer_rows_than_processes_are_contrasted_by_nobody_and_refused_by_nobody():
    from recsys_cl.objectives.info_nce import InfoNCE

    one, other = (Encoding(torch.ones(1, 3) * k, torch.ones(2, 3) * k) for k in (1, 2))
    batch = Batch(None, torch.arange(1), torch.arange(2), 2, torch.zeros(2, dtype=torch.int64), torch.arange(2))
    for rank in range(3):
        assert own_share(InfoNCE(), Ranks(rank, 3), gather=False)(one, [one, other], batch) == 0


def test_who_says_nothing_is_left_out_of_a_share_as_of_the_whole():
    from recsys_cl.objectives.info_nce import InfoNCE

    rng = torch.Generator().manual_seed(1)
    members = torch.arange(8) % 2 == 0
    views = [Encoding(*torch.randn(2, 8, 3, generator=rng), members=members) for _ in range(2)]
    batch = Batch(None, torch.arange(8), torch.arange(8), 8, torch.arange(8), torch.arange(8))
    shares = [Encoding(each.users[:4], each.items[:4], members=members[:4]) for each in views]
    alone = Batch(None, torch.arange(4), torch.arange(4), 4, torch.arange(4), torch.arange(4))
    found = own_share(InfoNCE(), Ranks(0, 2), gather=False)(views[0], views, batch)
    assert found == InfoNCE()(shares[0], shares, alone)
