"""Content added to items: every sequence encoder reads and answers with the sum, refuses what is not there, and keeps it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import ItemFeatures
from recsys_cl.encoders._content import kept_features
from recsys_cl.ops.ragged import offsets_of
from recsys_cl.structures.sequences import Sequences
from tests.graphs import SHAPE, features, generator

NAMES = ("average", "caser", "cnn", "gru", "transformer")
ROWS = [[1, 4, 2], [3], [0, 0, SHAPE.items, 2]]
USERS = torch.arange(len(ROWS))


def encoder(use: str, given: ItemFeatures | None, *, content: bool = True) -> Any:
    component = Component.model_validate({"use": use, "dim": 8, "content": content})
    return build("encoders", component, "encoder", shape=SHAPE, rng=generator(), features=given).eval()


def histories() -> Sequences:
    offsets = offsets_of(torch.tensor([len(row) for row in ROWS]))
    tokens = torch.tensor([item for row in ROWS for item in row])
    return Sequences(SHAPE, tokens, offsets, offsets[1:] - 1, max(map(len, ROWS)))


def answers(made: nn.Module, items: Tensor | None = None) -> tuple[Tensor, Tensor]:
    (found,) = made([histories()], USERS, items)
    return found.users, found.items


@pytest.mark.parametrize("use", NAMES)
def test_an_item_is_its_own_vector_and_what_its_content_says(use: str) -> None:
    made, plain = encoder(use, features()), encoder(use, None, content=False)
    assert torch.equal(made.items, plain.items)  # content draws last: nothing else begins elsewhere
    with torch.no_grad():
        plain.items += made.content()
    for one, other in zip(answers(made), answers(plain), strict=True):
        torch.testing.assert_close(one, other)
    some = torch.tensor([4, 0])
    torch.testing.assert_close(answers(made, some)[1], plain.items[some])


@pytest.mark.parametrize("use", NAMES)
def test_content_is_learned(use: str) -> None:
    made = encoder(use, features())
    users, items = answers(made)
    (users @ items.T).square().sum().backward()  # type: ignore[no-untyped-call]
    gradients = [weight.grad for weight in made.content.parameters()]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("use", NAMES)
def test_content_without_features_is_refused_by_name(use: str) -> None:
    with pytest.raises(Refused, match=r"encoder\.content.*prepare\.features"):
        encoder(use, None)


@pytest.mark.parametrize("use", NAMES)
def test_features_that_nobody_asked_for_change_nothing(use: str) -> None:
    with_them, without = encoder(use, features(), content=False), encoder(use, None, content=False)
    assert with_them.state_dict().keys() == without.state_dict().keys()
    assert all(torch.equal(one, other) for one, other in zip(answers(with_them), answers(without), strict=True))


def test_saved_weights_tell_the_features_again() -> None:
    made = encoder("average", features())
    weights = {f"encoder.{name}": value for name, value in made.state_dict().items()}
    again = encoder("average", kept_features(weights))
    again.load_state_dict(made.state_dict())
    assert all(torch.equal(one, other) for one, other in zip(answers(made), answers(again), strict=True))
    assert kept_features({"encoder.items": made.items}) is None
