"""What every view keeps: same type out, input untouched, all chance from the generator, no strength no change.

A new view is one case in CASES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from recsys_cl.core.build import build, names
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import View
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Shape
from recsys_cl.ops.ragged import offsets_of
from recsys_cl.structures.sequences import Sequences
from tests.domains import domains
from tests.graphs import generator, graph, interactions, modal

SHAPE = Shape(users=30, items=20)


def some_graph() -> Any:
    return graph(count=150, shape=SHAPE)


def some_content() -> Any:
    return modal(count=150, shape=SHAPE)


def some_domains() -> Any:
    return domains()


def some_histories() -> Any:
    rng = generator(5)
    lengths = torch.randint(3, 9, (SHAPE.users,), generator=rng)
    offsets = offsets_of(lengths)
    tokens = torch.randint(SHAPE.items, (int(offsets[-1]),), generator=rng)
    return Sequences(SHAPE, tokens, offsets, offsets[1:] - 1, int(lengths.max()), users=torch.arange(SHAPE.users))


@dataclass(frozen=True)
class Case:
    """A view's settings, a source for it, settings under which it changes nothing, and settings it must refuse."""

    use: str
    source: Callable[[], Any]
    arguments: dict[str, object]
    neutral: dict[str, object] | None = None
    refused: list[dict[str, object]] = field(default_factory=list)
    random: bool = True

    def __str__(self) -> str:
        return self.use


RATES: list[dict[str, object]] = [{"rate": 1.0}, {"rate": -0.1}, {"rate": float("nan")}]

RATIOS: list[dict[str, object]] = [{"ratio": 1.1}, {"ratio": -0.1}, {"ratio": float("nan")}]

CASES = [
    Case("edge_drop", some_graph, {"rate": 0.3}, {"rate": 0.0}, RATES),
    Case("edge_drop", some_graph, {"rate": 0.3, "hold": "step"}, {"rate": 0.0}, [{"rate": 0.1, "hold": "day"}]),
    Case("node_drop", some_graph, {"rate": 0.2}, {"rate": 0.0}, RATES),
    Case(
        "random_walk",
        some_graph,
        {"rate": 0.3, "layers": 2},
        refused=[{**rate, "layers": 2} for rate in RATES] + [{"rate": 0.1, "layers": 0}, {"rate": 0.1}],
    ),
    Case("layer_noise", some_graph, {"eps": 0.1}, refused=[{"eps": -0.1}, {"eps": float("inf")}]),
    Case("edge_drop", some_graph, {"rate": 0.3, "hold": 2}, {"rate": 0.0}, [{"rate": 0.1, "hold": 0}]),
    Case("svd", some_graph, {"rank": 3}, refused=[{"rank": 0}, {"rank": 1.5}], random=False),
    Case("embedding_dropout", some_graph, {"rate": 0.3}, refused=RATES),
    Case(
        "chain",
        some_graph,
        {"of": [{"use": "edge_drop", "rate": 0.3}, {"use": "layer_noise", "eps": 0.1}]},
        {"of": [{"use": "plain"}]},
        [{"of": []}, {"of": [{"use": "edge_drop", "rate": 2.0}]}],
    ),
    Case("plain", some_graph, {}, {}, random=False),
    Case("modality_drop", some_content, {"rate": 0.3}, {"rate": 0.0}, RATES),
    Case("feature_mask", some_content, {"rate": 0.3}, {"rate": 0.0}, RATES),
    Case("feature_noise", some_content, {"eps": 0.1}, {"eps": 0.0}, [{"eps": -0.1}, {"eps": float("inf")}]),
    Case("id_drop", some_content, {"rate": 0.5}, {"rate": 0.0}, RATES),
    Case(
        "on_graph",
        some_content,
        {"of": [{"use": "edge_drop", "rate": 0.3}, {"use": "layer_noise", "eps": 0.1}]},
        {"of": [{"use": "edge_drop", "rate": 0.0}]},
        [{"of": []}, {"of": [{"use": "edge_drop", "rate": 2.0}]}],
    ),
    Case("one_behaviour", some_graph, {"behaviour": "buy"}, random=False),
    Case("one_domain", some_domains, {"domain": 1}, refused=[{"domain": -1}], random=False),
    Case("domain_drop", some_domains, {"rate": 0.5}, {"rate": 0.0}, RATES),
    Case("domain_drop", some_domains, {"rate": 0.5, "shared": True}, {"rate": 0.0}, RATES),
    Case("crop", some_histories, {"ratio": 0.5}, {"ratio": 1.0}, RATIOS),
    Case("mask", some_histories, {"ratio": 0.5}, {"ratio": 0.0}, RATIOS),
    Case("reorder", some_histories, {"ratio": 0.5}, {"ratio": 0.0}, RATIOS),
    Case("substitute", some_histories, {"ratio": 0.5, "among": 2}, {"ratio": 0.0}, [*RATIOS, {"among": 0}]),
    Case("insert", some_histories, {"ratio": 0.5, "among": 2}, {"ratio": 0.0}, [*RATIOS, {"among": 0}, {"max_length": 0}]),
    Case("same_target", some_histories, {"max_length": 6}, refused=[{"max_length": 0}]),
    Case("identity", some_histories, {}, {}, random=False),
    Case(
        "one_of",
        some_histories,
        {"of": [{"use": "crop", "ratio": 0.5}, {"use": "mask", "ratio": 0.5}]},
        {"of": [{"use": "identity"}]},
        [{"of": []}, {"of": [{"use": "crop", "ratio": 2.0}]}],
    ),
]

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def view(case: Case, arguments: dict[str, object] | None = None) -> View[Any]:
    chosen = Component(use=case.use, **(case.arguments if arguments is None else arguments))
    met = interactions(count=150, shape=SHAPE)
    met = replace(met, behaviours={"buy": met.users % 3 == 0, "view": torch.zeros_like(met.users, dtype=torch.bool)})
    made: View[Any] = build("views", chosen, "views.0", shape=SHAPE, interactions=met)
    return made


def content(value: object) -> list[Any]:
    """A source's values in order, tensors as lists."""
    if isinstance(value, Tensor):
        return [value.tolist()]
    if is_dataclass(value):
        return [part for entry in fields(value) for part in content(getattr(value, entry.name))]
    if isinstance(value, Mapping):
        return [(key, content(entry)) for key, entry in sorted(value.items())]
    if isinstance(value, tuple):
        return [part for entry in value for part in content(entry)]
    return [value]


def test_every_view_has_a_case() -> None:
    assert set(names("views")) == {case.use for case in CASES}


@every_case
def test_the_type_stays_and_the_input_is_untouched(case: Case) -> None:
    source = case.source()
    before = content(source)
    altered = view(case)(source, generator(1))
    assert type(altered) is type(source)
    assert altered.shape == source.shape
    assert content(source) == before


@every_case
def test_the_seed_is_the_view(case: Case) -> None:
    source = case.source()
    one, same, other = (content(view(case)(source, generator(seed))) for seed in (1, 1, 2))
    assert one == same
    assert (one != other) == case.random


@every_case
def test_chance_comes_from_the_generator_alone(case: Case) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    view(case)(case.source(), generator(1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("case", [case for case in CASES if case.neutral is not None], ids=str)
def test_no_strength_changes_no_bit(case: Case) -> None:
    source = case.source()
    assert content(view(case, case.neutral)(source, generator(1))) == content(source)


@pytest.mark.parametrize(("case", "arguments"), [(case, bad) for case in CASES for bad in case.refused], ids=str)
def test_what_makes_no_sense_is_refused(case: Case, arguments: dict[str, object]) -> None:
    with pytest.raises(Refused, match="views"):
        view(case, arguments)
