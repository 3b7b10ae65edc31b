"""The target follows slowly, passes no gradient, is saved, and is not trained; the score is BUIR's."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.methods.bootstrap import Bootstrap
from recsys_cl.objectives.agreement import Agreement
from recsys_cl.views.plain import Plain
from tests.methods.test_contrastive import Plus, Scaled

BATCH = Batch(1.0, torch.tensor([0, 2]), torch.tensor([1, 0, 3]), 2, torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))


def make(**settings: object) -> Bootstrap[float]:
    context = {"encoder": Scaled(), "views": [Plain()], "main_view": None, "objectives": {"agree": (1.0, Agreement())}}
    rng = torch.Generator().manual_seed(0)
    method: Bootstrap[float] = build("methods", Component(use="bootstrap", **settings), "method", rng=rng, **context)
    return method


def step(method: Bootstrap[float], rate: float = 0.1) -> None:
    method.zero_grad()
    method.losses(BATCH, torch.Generator())["agree"].backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for each in method.parameters():
            if each.grad is not None:
                each.sub_(rate * each.grad)


def test_the_target_is_the_moving_average_of_what_each_step_began_with() -> None:
    method = make(momentum=0.75)
    expected = method.encoder.user.detach().clone()
    for _ in range(4):
        expected = 0.75 * expected + 0.25 * method.encoder.user.detach()
        step(method)
    torch.testing.assert_close(method.target.user, expected)
    assert not torch.allclose(method.encoder.user, method.target.user, atol=1e-4)


def test_only_the_online_side_learns_but_all_is_saved() -> None:
    method = make()
    learning = {name for name, weight in method.named_parameters() if weight.requires_grad}
    assert learning == {"encoder.user", "encoder.item", "predictor.weight", "predictor.bias"}
    assert set(method.module.state_dict()) == learning | {"target.user", "target.item"}
    step(method)
    assert all(weight.grad is None for weight in method.target.parameters())


def test_judging_does_not_move_the_target() -> None:
    method = make(momentum=0.5)
    step(method)
    before = method.target.user.clone()
    method.eval()
    method.losses(BATCH, torch.Generator())
    assert torch.equal(method.target.user, before)


def test_without_momentum_the_target_is_the_encoder_with_its_gradient_stopped() -> None:
    method = make(momentum=0.0)
    assert method.target is None
    loss = method.losses(BATCH, torch.Generator())["agree"]
    users, items = method.encoder.user[BATCH.users], method.encoder.item[BATCH.items]
    main = Encoding(method.predictor(users), method.predictor(items))
    stopped = Encoding(users.detach(), items.detach())
    torch.testing.assert_close(loss, Agreement()(main, [stopped], BATCH))
    (fast,) = torch.autograd.grad(loss, method.encoder.user)
    (slow,) = torch.autograd.grad(Agreement()(main, [stopped], BATCH), method.encoder.user)
    torch.testing.assert_close(fast, slow)


def test_dropout_is_the_targets_alone() -> None:
    method = make(momentum=0.0, dropout=0.5)
    torch.manual_seed(0)
    losses = {method.losses(BATCH, torch.Generator())["agree"].item() for _ in range(5)}
    assert len(losses) > 1
    assert torch.equal(method.encode(1.0, BATCH.users).users, method.encode(1.0, BATCH.users).users)


def test_the_score_asks_both_ways() -> None:
    method = make()
    found = method.encode(1.0, BATCH.users)
    users, items, q = method.encoder.user[BATCH.users], method.encoder.item, method.predictor
    torch.testing.assert_close(found.users @ found.items.T, q(users) @ items.T + users @ q(items).T)


def test_each_side_reads_its_own_views() -> None:
    encoder, rng = Scaled(), torch.Generator()
    method = Bootstrap(encoder, {"agree": (1.0, Agreement())}, rng, [Plus(1.0)], Plus(10.0), momentum=0.0)
    method.losses(BATCH, rng)
    assert encoder.calls == [(11.0,), (2.0,)]


def test_a_target_with_nothing_to_read_is_refused() -> None:
    with pytest.raises(Refused, match="views"):
        Bootstrap(Scaled(), {}, torch.Generator())


def test_what_the_predictor_answers_is_no_sum_of_layers_and_does_not_say_so() -> None:
    method = make()
    table = Encoding(*(torch.ones(count, method.predictor.in_features) for count in (2, 3)))
    layered = Encoding(table.users, table.items, layers=(table,), shares=(1.0,))
    assert method._predicted(layered).shares == method._dropped(layered).shares == ()
    assert len(method._predicted(layered).layers) == 1, "which penalties read"
