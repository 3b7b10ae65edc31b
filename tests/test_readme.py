"""What the README shows works as shown."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch

from recsys_cl.config import load_pipeline, recipe_names
from recsys_cl.core.build import names
from recsys_cl.core.values import Batch, Encoding

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text("utf-8")


def block(language: str, word: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(text for text in blocks if word in text)


def test_every_recipe_is_named() -> None:
    missing = [name for name in recipe_names() if f"`{name}`" not in README]
    assert not missing


@pytest.mark.parametrize("slot", ["structures", "encoders", "views", "objectives", "samplers", "methods"])
def test_every_component_is_named_among_the_settings(slot: str) -> None:
    table = SETTINGS.partition("### What a recipe is made of")[2].partition("\n## ")[0]
    assert [name for name in names(slot) if f"`{name}`" not in table] == []


def test_the_pipeline_for_your_own_logs_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(block("toml", 'name = "shop"'))
    assert set(load_pipeline(path).recipes()) >= {"xsimgcl", "sasrec-softmax", "popular"}


def test_the_loss_to_add_is_an_objective(tmp_path: Path) -> None:
    path = tmp_path / "margin.py"
    path.write_text(block("python", "class Margin"))
    spec = importlib.util.spec_from_file_location("margin", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    main = Encoding(torch.eye(2, 3), torch.eye(3))
    rows = torch.arange(2)
    batch = Batch(None, rows, torch.arange(3), 2, rows, rows, torch.tensor([[2], [0]]))
    loss = module.Margin(margin=0.5)(main, [], batch)
    assert loss == 0.0, "both positives score 1, their negatives 0: the margin is kept"
    assert module.Margin(margin=1.5)(main, [], batch) == 0.5
