"""Every purpose has its own generator."""

from __future__ import annotations

import torch

from recsys_cl.core.chance import derive, generator


def test_the_same_seed_and_name_give_the_same_numbers_and_any_other_do_not() -> None:
    first = torch.rand(8, generator=generator(7, "views"))
    assert torch.equal(first, torch.rand(8, generator=generator(7, "views")))
    assert not torch.equal(first, torch.rand(8, generator=generator(7, "sampler")))
    assert not torch.equal(first, torch.rand(8, generator=generator(8, "views")))


def test_names_are_told_apart_and_seeds_fit_torch() -> None:
    assert derive(1, "a", "b") != derive(1, "ab")
    assert 0 <= derive(2**40, "x") < 2**63
