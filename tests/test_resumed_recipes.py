"""Recipes that read content or several domains, stopped in mid epoch, end in the weights of those left alone.

Those that are trained from logs alone are in tests/stages/test_train.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recsys_cl.config import load_recipe
from recsys_cl.stages.assemble import assemble
from recsys_cl.training import loop
from recsys_cl.training.randomness import seeded
from tests import test_cross_recipes as domains
from tests import test_modal_recipes as content
from tests.graphs import generator
from tests.shipped import of_family

MODAL = of_family("multimodal")
CROSS = of_family("cross-domain")
EPOCHS = 3


class Silent:
    """A tracker that keeps nothing."""

    def note(self, values: Mapping[str, str]) -> None: ...

    def log(self, metrics: Mapping[str, float], step: int) -> None: ...


def trained(name: str, folder: Path) -> dict[str, Tensor]:
    recipe = load_recipe(name, {"source": {"batch_size": 32}, "encoder": {"dim": 8}, "training": {"epochs": EPOCHS}})
    known, features = (content.world(), content.content()) if name in MODAL else (domains.world(alike=True), domains.domains())
    viewed = torch.ones(len(known), dtype=torch.bool)  # whatever was bought was looked at before
    known = replace(known, behaviours={"buy": known.items % 2 == 0, "cart": known.items % 3 > 0, "view": viewed})
    with seeded(3):  # dropout draws from the generator of the process
        built = assemble(recipe, known, seed=1, device=torch.device("cpu"), features=features)
        loop.fit(built.method, built.feed, None, recipe.training, Silent(), generator(2), folder)
    return built.method.module.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MODAL, *CROSS])
def test_stopped_in_mid_epoch_it_ends_in_the_same_weights(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = counted(monkeypatch, lambda count: False)
    whole, total = trained(name, tmp_path / "whole"), len(steps)
    steps = counted(monkeypatch, lambda count: count == total // 2 + 1)
    with pytest.raises(KeyboardInterrupt):
        trained(name, tmp_path / "cut")
    again = trained(name, tmp_path / "cut")
    assert total < len(steps) < total + total // 2 + 1, "it went on from a checkpoint, and not from the start"
    assert whole.keys() == again.keys()
    assert [key for key, value in whole.items() if not torch.equal(value, again[key])] == []


def counted(monkeypatch: pytest.MonkeyPatch, now: Callable[[int], bool]) -> list[None]:
    """Every step from now on; it is wished to stop at the one that ``now`` names."""
    steps: list[None] = []

    def heed() -> None:
        steps.append(None)
        if now(len(steps)):
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "heed", heed)
    return steps
