"""A component is found by name and its arguments are checked before it is made."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from recsys_cl.core.build import build, names
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component, Settings
from recsys_cl.core.values import Shape


class Widget:
    """Stands for a user's own component."""

    def __init__(self, shape: Shape, size: int, rates: tuple[float, ...] = (), title: str = "x") -> None:
        self.shape, self.size, self.rates, self.title = shape, size, rates, title

    def __call__(self) -> int:
        return self.size


OWN = f"{__name__}:Widget"


def make(**arguments: object) -> Widget:
    import sys

    sys.modules.setdefault(__name__, sys.modules[Widget.__module__])
    return build("views", Component(use=OWN, **arguments), "views.0", shape=Shape(1, 2), rng=None)  # type: ignore[no-any-return, arg-type]


def test_settings_and_context_reach_the_constructor() -> None:
    widget = make(size=3, rates=[0.1, 0.2])
    assert (widget.shape, widget.size, widget.rates, widget.title) == (Shape(1, 2), 3, (0.1, 0.2), "x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 3, "ratez": [0.1]}, r"views\.0\.ratez.*did you mean 'rates'"),
        ({"size": "3"}, r"views\.0\.size.*integer.*'3'"),
        ({"size": 3, "rates": ["a"]}, r"views\.0\.rates"),
        ({}, r"views\.0\.size: .* needs this argument"),
        ({"size": 1, "shape": 4}, r"views\.0\.shape"),
    ],
)
def test_a_wrong_argument_is_refused_by_key(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(Refused, match=message):
        make(**arguments)


def test_a_misspelt_component_names_the_nearest() -> None:
    with pytest.raises(Refused, match=r"encoder: no 'lightgnc'.*did you mean 'lightgcn'"):
        build("encoders", Component(use="lightgnc"), "encoder")
    assert "lightgcn" in names("encoders")


def test_a_foreign_name_that_cannot_be_imported_is_refused() -> None:
    with pytest.raises(Refused, match=r"encoder: cannot import 'no\.such:Thing'"):
        build("encoders", Component(use="no.such:Thing"), "encoder")


def test_settings_are_frozen_and_refuse_unknown_keys() -> None:
    class Some(Settings):
        size: int = 1

    with pytest.raises(ValidationError):
        Some(sizes=2)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Some().size = 2  # type: ignore[misc]
