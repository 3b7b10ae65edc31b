"""bfloat16 touches the losses only: weights, updates and recommending stay fp32."""

from __future__ import annotations

import torch

from recsys_cl.training.loop import fit
from recsys_cl.training.plan import Plan
from recsys_cl.training.precision import Bfloat16


def test_losses_are_computed_in_bfloat16_and_returned_in_fp32(toy_classes):
    toy, feed = toy_classes[0](), toy_classes[1]()
    batch = next(feed.training(torch.Generator()))
    torch.manual_seed(1)
    wrapped = Bfloat16(toy).losses(batch, torch.Generator())
    assert wrapped["fit"].dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (toy.user @ toy.item.T).dtype == torch.bfloat16


def test_the_product_is_rounded(toy_classes, monkeypatch):
    toy = toy_classes[0]()
    monkeypatch.setattr(toy, "losses", lambda batch, rng: {"score": (toy.user @ toy.item.T).sum()})
    batch = next(toy_classes[1]().training(torch.Generator()))
    rounded = (toy.user.bfloat16() @ toy.item.T.bfloat16()).sum().float()
    assert Bfloat16(toy).losses(batch, torch.Generator())["score"] == rounded


def test_training_keeps_fp32_weights_and_their_names(toy_classes, tmp_path):
    toy, feed, told = (make() for make in toy_classes)
    fit(Bfloat16(toy), feed, None, Plan(epochs=2), told, torch.Generator(), tmp_path)
    assert {value.dtype for value in toy.parameters()} == {torch.float32}
    encoding = Bfloat16(toy).encode(None, torch.arange(3))
    assert torch.equal(encoding.users, toy.encode(None, torch.arange(3)).users)
    assert Bfloat16(toy).module is toy
