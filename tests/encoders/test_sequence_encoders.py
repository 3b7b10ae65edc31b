"""The encoders of histories beside the transformer: each against loops over its paper's formula, and what all must keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Shape
from recsys_cl.ops.ragged import offsets_of
from recsys_cl.structures.sequences import Sequences

SHAPE = Shape(6, 11)
HISTORIES = [[1, 4, 2], [7], [3, 3, 9, 0, 5, 8, 1], [11, 2]]  # 11: hidden


def seed(value: int) -> torch.Generator:
    return torch.Generator().manual_seed(value)


def sequences(histories: list[list[int]]) -> Sequences:
    tokens = torch.tensor([item for history in histories for item in history])
    offsets = offsets_of(torch.tensor([len(history) for history in histories]))
    return Sequences(SHAPE, tokens, offsets, torch.arange(tokens.numel()), max(map(len, histories)))


def vectors(made: Any, history: list[int]) -> Tensor:
    return torch.cat((made.items, made.unknown[None]))[history]


def gru(made: Any, history: list[int]) -> Tensor:
    """One gate, one layer and one item at a time; gates in torch's order: reset, update, new."""
    inputs = list(vectors(made, history))
    for layer in range(made.units.num_layers):
        w, u, b, c = (
            getattr(made.units, f"{name}_l{layer}").chunk(3) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h, outputs = torch.zeros(made.units.hidden_size, dtype=torch.float64), []
        for x in inputs:
            reset = torch.sigmoid(w[0] @ x + b[0] + u[0] @ h + c[0])
            update = torch.sigmoid(w[1] @ x + b[1] + u[1] @ h + c[1])
            new = torch.tanh(w[2] @ x + b[2] + reset * (u[2] @ h + c[2]))
            h = (1 - update) * new + update * h
            outputs.append(h)
        inputs = outputs
    return made.answer(torch.stack(inputs))  # type: ignore[no-any-return]


def cnn(made: Any, history: list[int]) -> Tensor:
    """torch's own convolution over the row, with as many zeros before it as the filter looks back."""
    x, dim, kernel = vectors(made, history), made.items.shape[1], 3
    for block, dilation in enumerate((1, 2)):
        y = x
        for half in (0, 1):
            layer, step = made.convolutions[2 * block + half], dilation * (1 + half)
            weight = layer.weigh.weight.view(dim, kernel, dim).permute(0, 2, 1).flip(2)  # ours begins with the newest
            before = F.pad(y.T[None], (step * (kernel - 1), 0))
            y = F.relu(layer.norm(F.conv1d(before, weight, layer.weigh.bias, dilation=step)[0].T))
        x = x + y
    return made.answer(x)  # type: ignore[no-any-return]


def caser(made: Any, history: list[int]) -> Tensor:
    """One picture, one filter and one position at a time."""
    states, window = [], made.sums.shape[1]
    x = torch.cat((torch.zeros(window - 1, made.items.shape[1], dtype=torch.float64), vectors(made, history)))
    for end in range(len(history)):
        picture = x[end : end + window]
        across = [
            max(torch.relu((f.weight[n] * picture[t : t + h].flatten()).sum() + f.bias[n]) for t in range(window - h + 1))
            for h, f in enumerate(made.heights, start=1)
            for n in range(len(f.bias))
        ]
        down = [sum(weights[t] * picture[t] for t in range(window)) for weights in made.sums]
        states.append(made.answer(torch.relu(made.widen(torch.cat((torch.stack(across), *down))))))
    return torch.stack(states)


def average(made: Any, history: list[int]) -> Tensor:
    states = []
    for end in range(1, len(history) + 1):
        weights = [torch.tensor([decay ** (end - 1 - t) for t in range(end)], dtype=torch.float64) for decay in made.decays]
        states.append(made.answer(torch.cat([(one / one.sum()) @ vectors(made, history[:end]) for one in weights])))
    return torch.stack(states)


@dataclass(frozen=True)
class Case:
    slowly: Callable[[Any, list[int]], Tensor]
    arguments: dict[str, object]

    def __str__(self) -> str:
        return self.slowly.__name__

    def made(self, **changes: object) -> Any:
        """In double precision, every parameter away from its first value, so that nothing is zero or one by chance."""
        settings = Component(use=str(self), **{**self.arguments, **changes})
        made: nn.Module = build("encoders", settings, "encoder", shape=SHAPE, rng=seed(1))
        with torch.no_grad():
            for parameter in made.double().parameters():
                parameter.add_(torch.randn(parameter.shape, generator=seed(2), dtype=torch.float64) * 0.3)
        return made.eval()


CASES = [
    Case(gru, {"dim": 4, "width": 6, "layers": 2}),
    Case(cnn, {"dim": 4, "dilations": [1, 2]}),
    Case(caser, {"dim": 4, "window": 4, "horizontal": 3, "vertical": 2}),
    Case(average, {"dim": 4, "decay": [0.2, 0.6]}),
]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def states(made: Any, source: Sequences) -> Tensor:
    found: Tensor = made([source], torch.arange(len(source.offsets) - 1))[0].users
    return found


@every_case
def test_states_and_gradients_are_those_of_the_loops(case: Case) -> None:
    made = case.made()
    slow = torch.cat([case.slowly(made, history) for history in HISTORIES])
    fast = states(made, sequences(HISTORIES))
    torch.testing.assert_close(fast, slow)
    parameters = list(made.parameters())
    ours = torch.autograd.grad((fast @ made.items.T).sin().sum(), parameters)
    theirs = torch.autograd.grad((slow @ made.items.T).sin().sum(), parameters)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@every_case
def test_neither_padding_nor_company_changes_an_output(case: Case) -> None:
    made, source = case.made(), sequences(HISTORIES)
    together = states(made, source)
    torch.testing.assert_close(states(made, replace(source, longest=20)), together, rtol=1e-12, atol=1e-12)
    alone = torch.cat([states(made, sequences([history])) for history in HISTORIES])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


@every_case
def test_a_state_is_that_of_the_history_up_to_it(case: Case) -> None:
    made, history = case.made(), HISTORIES[2]
    full = states(made, sequences([history]))
    for length in range(1, len(history) + 1):
        prefix = states(made, sequences([history[:length]]).at_the_end())
        torch.testing.assert_close(prefix[0], full[length - 1], rtol=1e-12, atol=1e-12)


@every_case
def test_all_sources_at_once_equal_one_by_one_and_only_readouts_come_back(case: Case) -> None:
    made, first = case.made(), sequences(HISTORIES)
    second = sequences([[5] * 9, [2]]).at_the_end()
    one, two = made([first, second], torch.arange(4))
    torch.testing.assert_close(one.users, states(made, first), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(two.users, states(made, second), rtol=1e-12, atol=1e-12)
    assert two.users.shape == (2, 4)


@every_case
def test_dropout_makes_two_views_of_one_history_differ_in_training_alone(case: Case) -> None:
    made, source = case.made(dropout=0.5), sequences(HISTORIES).at_the_end()
    one, two = made.train()([source, source], torch.arange(4))
    assert not torch.equal(one.users, two.users)
    one, two = made.eval()([source, source], torch.arange(4))
    torch.testing.assert_close(one.users, two.users, rtol=1e-12, atol=1e-12)


@every_case
def test_a_history_of_hidden_items_alone_has_a_finite_state(case: Case) -> None:
    assert bool(torch.isfinite(states(case.made(), sequences([[11], [11, 11, 11]]))).all())


@every_case
def test_initialisation_comes_from_the_generator_alone(case: Case) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    build("encoders", Component(use=str(case), **case.arguments), "encoder", shape=SHAPE, rng=seed(1))
    assert torch.equal(torch.get_rng_state(), before)


@every_case
def test_half_precision_training_has_finite_gradients(case: Case) -> None:
    made = case.made().float().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = made([sequences(HISTORIES)], torch.arange(4))[0]
        loss = (found.users @ found.items.T).float().logsumexp(1).mean()
    loss.backward()
    assert all(bool(torch.isfinite(parameter.grad).all()) for parameter in made.parameters())


@pytest.mark.parametrize(
    ("case", "argument", "value"),
    [
        (CASES[0], "width", 0),
        (CASES[0], "dropout", 1.0),
        (CASES[1], "kernel", 0),
        (CASES[1], "dilations", []),
        (CASES[1], "dilations", [0]),
        (CASES[2], "window", 0),
        (CASES[3], "decay", 0.0),
        (CASES[3], "decay", 1.1),
        (CASES[3], "decay", []),
        (CASES[3], "decay", [0.5, 0.0]),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_by_name(case: Case, argument: str, value: object) -> None:
    with pytest.raises(Refused, match=rf"encoder\.{argument}"):
        case.made(**{argument: value})


def test_a_decay_of_one_is_the_plain_mean() -> None:
    made = CASES[3].made(decay=1.0)
    mean = made.answer(vectors(made, HISTORIES[2]).mean(0))
    torch.testing.assert_close(states(made, sequences([HISTORIES[2]]))[-1], mean)
