"""The transformer against an attention written with loops, and what it must not depend on."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Shape
from recsys_cl.encoders._attention import layout
from recsys_cl.encoders.transformer import Transformer
from recsys_cl.ops.ragged import offsets_of
from recsys_cl.structures.sequences import Sequences

SHAPE = Shape(6, 11)
HISTORIES = [[1, 4, 2], [7], [3, 3, 9, 0, 5], [11, 2]]  # 11: hidden


def seed(value: int) -> torch.Generator:
    return torch.Generator().manual_seed(value)


def sequences(histories: list[list[int]]) -> Sequences:
    tokens = torch.tensor([item for history in histories for item in history])
    offsets = offsets_of(torch.tensor([len(history) for history in histories]))
    return Sequences(SHAPE, tokens, offsets, torch.arange(tokens.numel()), max(map(len, histories)))


def encoder(**arguments: float | str | bool) -> Transformer:
    """In double precision, every parameter away from its first value, so that nothing is zero or one by chance."""
    settings = {"dim": 8, "heads": 2, "layers": 2, "feedforward": 12, "max_length": 6, **arguments}
    made = Transformer(SHAPE, seed(1), **settings).double()  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=seed(2), dtype=torch.float64) * 0.3)
    return made.eval()


def states(made: Transformer, source: Sequences) -> Tensor:
    return made([source], torch.arange(len(source.offsets) - 1))[0].users


def turned(made: Transformer, vector: Tensor, place: int) -> Tensor:
    """The vector with each pair of coordinates as one complex number, turned by its own speed times the place."""
    if made.positions is not None:
        return vector
    half = len(vector) // 2
    speed = [place * 10_000 ** (-i / half) for i in range(half)]
    pairs = torch.complex(vector[:half], vector[half:]) * torch.polar(torch.ones(half).double(), torch.tensor(speed).double())
    return torch.cat((pairs.real, pairs.imag))


def slowly(made: Transformer, history: list[int], times: list[int] | None = None, *, causal: bool = True) -> Tensor:
    """One history at a time, one head at a time, one position at a time."""
    table = torch.cat((made.items, made.unknown[None]))
    x = table[history] + (0 if made.positions is None else made.positions[: len(history)])
    for block in made.blocks:
        query, key, value = block.projections(block.before_attention(x)).chunk(3, dim=1)
        found = torch.zeros_like(x)
        width = x.shape[1] // block.heads
        for head in range(block.heads):
            part = slice(head * width, (head + 1) * width)
            for place in range(len(history)):
                seen = place + 1 if causal else len(history)
                asked = [(turned(made, query[place, part], place), turned(made, key[past, part], past)) for past in range(seen)]
                scores = torch.stack([one @ other / math.sqrt(width) for one, other in asked])
                if made.gaps is not None and times is not None:
                    apart = [((times[place] - times[past]) // 1_000_000).bit_length() for past in range(seen)]
                    scores = scores + made.gaps[apart, head]
                found[place, part] = scores.softmax(0) @ value[:seen, part]
        mixed = block.mix(found)
        if block.filter is not None:
            given = block.before_attention(x)
            for place in range(len(history)):
                weight = torch.tensor([0.7 ** (place - past) for past in range(place + 1)]).double()
                average = (weight[:, None] * given[: place + 1]).sum(0) / weight.sum()
                filtered = average + block.filter.sharp**2 * (given[place] - average)
                mixed[place] = (1 - block.smooth) * mixed[place] + block.smooth * filtered
        x = x + mixed
        x = x + block.narrow(F.gelu(block.widen(block.before_network(x))))
    return made.norm(x)


@pytest.mark.parametrize("smooth", [0.0, 0.4])
def test_a_filter_beside_attention_is_that_of_the_loops(smooth: float) -> None:
    made = encoder(smooth=smooth)
    torch.testing.assert_close(states(made, sequences(HISTORIES)), torch.cat([slowly(made, row) for row in HISTORIES]))
    assert (made.blocks[0].filter is None) == (smooth == 0)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_states_are_those_of_the_loops(positions: str) -> None:
    made = encoder(positions=positions)
    expected = torch.cat([slowly(made, history) for history in HISTORIES])
    torch.testing.assert_close(states(made, sequences(HISTORIES)), expected)


def test_a_source_whose_targets_are_hidden_is_looked_at_both_ways() -> None:
    made, source = encoder(), replace(sequences(HISTORIES), causal=False)
    expected = torch.cat([slowly(made, history, causal=False) for history in HISTORIES])
    torch.testing.assert_close(states(made, source), expected)
    assert not torch.allclose(expected, states(made, sequences(HISTORIES)))


@pytest.mark.parametrize("causal", [True, False])
def test_padding_changes_no_output(*, causal: bool) -> None:
    made, source = encoder(), replace(sequences(HISTORIES), causal=causal)
    torch.testing.assert_close(states(made, replace(source, longest=6)), states(made, source), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("causal", [True, False])
def test_company_changes_no_output(*, causal: bool) -> None:
    made = encoder()
    alone = torch.cat([states(made, replace(sequences([history]), causal=causal)) for history in HISTORIES])
    together = states(made, replace(sequences(HISTORIES), causal=causal))
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_rows_of_unlike_length_lie_in_grids_of_their_own_and_answer_as_alone(positions: str) -> None:
    made = encoder(positions=positions, dim=8, max_length=16)
    rows = [[7], [1, 4, 2], [3, 3, 9, 0, 5, 2, 8, 6], [*range(11), 1, 2, 3], [11, 2], [4], [5, 0, 6, 1, 9], *([[8]] * 9)]
    together = sequences(rows)
    lies = layout(together, None, None)
    assert [count for count, _ in lies.grids] == [13, 1, 2]
    assert sum(count * width for count, width in lies.grids) < len(rows) * 14 / 2
    alone = torch.cat([slowly(made, row) for row in rows])
    torch.testing.assert_close(states(made, together), alone)
    torch.testing.assert_close(states(made, together.at_the_end()), alone[together.offsets[1:] - 1])


def test_a_state_is_that_of_the_history_up_to_it() -> None:
    made = encoder()
    full = states(made, sequences([[3, 3, 9, 0, 5]]))
    for length in range(1, 6):
        prefix = states(made, sequences([[3, 3, 9, 0, 5][:length]]).at_the_end())
        torch.testing.assert_close(prefix[0], full[length - 1], rtol=1e-12, atol=1e-12)


def test_all_sources_at_once_equal_one_by_one_and_only_readouts_come_back() -> None:
    made, first = encoder(), sequences(HISTORIES)
    second = sequences([[5, 5, 5, 5, 5, 5], [2]]).at_the_end()
    one, two = made([first, second], torch.arange(4))
    torch.testing.assert_close(one.users, states(made, first), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(two.users, states(made, second), rtol=1e-12, atol=1e-12)
    assert two.users.shape == (2, 8)
    torch.testing.assert_close(two.users[1], states(made, sequences([[2]]))[0])


def test_items_are_the_rows_asked_for_or_the_catalogue_without_the_hidden_one() -> None:
    made, source = encoder(), sequences(HISTORIES)
    asked = torch.tensor([4, 0, 10])
    (every,), (some,) = made([source], torch.arange(4)), made([source], torch.arange(4), asked)
    assert every.items.shape == (SHAPE.items, 8)
    assert torch.equal(some.items, every.items[asked])


def test_gradients_reach_every_parameter_and_equal_those_of_the_loops() -> None:
    made, source = encoder(), sequences(HISTORIES)
    parameters = list(made.parameters())
    encoded = made([source], torch.arange(4))[0]
    fast = torch.autograd.grad((encoded.users @ encoded.items.T).sin().sum(), parameters)
    expected = torch.cat([slowly(made, history) for history in HISTORIES])
    slow = torch.autograd.grad((expected @ made.items.T).sin().sum(), parameters)
    assert all(bool(gradient.any()) for gradient in fast[:2])
    for one, other in zip(fast, slow, strict=True):
        torch.testing.assert_close(one, other)


def test_eval_repeats_itself_and_dropout_makes_two_views_of_one_history_differ() -> None:
    made, source = encoder(dropout=0.5), sequences(HISTORIES).at_the_end()
    assert torch.equal(states(made, source), states(made, source))
    one, two = made.train()([source, source], torch.arange(4))
    assert not torch.equal(one.users, two.users)
    one, two = made.eval()([source, source], torch.arange(4))
    assert torch.equal(one.users, two.users)


def test_a_history_of_hidden_items_alone_has_a_finite_state() -> None:
    made = Transformer(SHAPE, seed(1))
    assert bool(torch.isfinite(states(made, sequences([[11], [11, 11, 11]]))).all())


def test_initialisation_comes_from_the_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, again, other = (nn.utils.parameters_to_vector(Transformer(SHAPE, seed(s)).parameters()) for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_items_begin_as_wide_as_asked_for() -> None:
    wide, narrow = (Transformer(Shape(1, 4_000), seed(1), dim=8, spread=spread) for spread in (None, 0.02))
    assert float(wide.items.detach().std()) == pytest.approx(8**-0.5, rel=0.02)
    assert float(narrow.items.detach().std()) == pytest.approx(0.02, rel=0.02)


def test_rotary_attention_sees_distances_alone_and_order() -> None:
    made = encoder(positions="rotary", layers=1)
    assert "positions" not in dict(made.named_parameters())
    assert not torch.allclose(states(made, sequences([[3, 3, 5]]))[2], states(made, sequences([[3, 5, 5]]))[2])
    query, key = torch.randn(2, 4, generator=seed(3), dtype=torch.float64)
    products = [float(turned(made, query, 2 + shift) @ turned(made, key, shift)) for shift in range(4)]
    assert products == pytest.approx([products[0]] * 4)
    with pytest.raises(Refused, match=r"encoder\.positions"):
        Transformer(SHAPE, seed(1), dim=6, heads=2, positions="rotary")


@pytest.mark.parametrize("causal", [True, False])
def test_padding_changes_no_rotary_output(*, causal: bool) -> None:
    made, source = encoder(positions="rotary"), replace(sequences(HISTORIES), causal=causal)
    torch.testing.assert_close(states(made, replace(source, longest=6)), states(made, source), rtol=1e-12, atol=1e-12)


def test_what_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"encoder\.heads"):
        Transformer(SHAPE, seed(1), dim=10, heads=4)
    with pytest.raises(Refused, match=r"encoder\.max_length"):
        states(encoder(), sequences([[1] * 7]))


def test_it_learns_to_answer_with_the_item_before_the_last() -> None:
    made = Transformer(SHAPE, seed(1), dim=16, layers=2, dropout=0.0, max_length=6)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    for step in range(300):
        tokens = torch.randint(SHAPE.items, (64, 5), generator=seed(step))
        source = sequences(tokens.tolist()).at_the_end()
        encoded = made([source], torch.arange(64))[0]
        loss = F.cross_entropy(encoded.users @ encoded.items.T, tokens[:, -2])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    tokens = torch.randint(SHAPE.items, (500, 5), generator=seed(10**6))
    encoded = made([sequences(tokens.tolist()).at_the_end()], torch.arange(500))[0]
    right = (encoded.users @ encoded.items.T).argmax(1) == tokens[:, -2]
    assert float(right.double().mean()) > 0.95


WHEN = [[0, 90, 86_400], [5], [0, 0, 1, 3, 100_000], [7, 7]]  # seconds, by history of HISTORIES


def timed(histories: list[list[int]], when: list[list[int]]) -> Sequences:
    return replace(sequences(histories), times=torch.tensor([10**6 * second for row in when for second in row]))


def test_gaps_between_times_bias_attention_as_in_the_loops() -> None:
    made = encoder(gaps=True)
    expected = [slowly(made, row, [10**6 * second for second in when]) for row, when in zip(HISTORIES, WHEN, strict=True)]
    torch.testing.assert_close(states(made, timed(HISTORIES, WHEN)), torch.cat(expected))


def test_neither_padding_nor_a_later_start_changes_a_state_with_gaps() -> None:
    made = encoder(gaps=True)
    together = states(made, timed(HISTORIES, WHEN))
    alone = [
        states(made, timed([row], [[second + 12_345 for second in when]])) for row, when in zip(HISTORIES, WHEN, strict=True)
    ]
    torch.testing.assert_close(torch.cat(alone), together)
    slower = [[3 * second for second in when] for when in WHEN]
    assert not torch.allclose(states(made, timed(HISTORIES, slower)), together)


def test_gaps_say_nothing_before_they_are_learned_and_learn() -> None:
    source = timed(HISTORIES, WHEN)
    plain = Transformer(SHAPE, seed(1), dim=8, heads=2).eval()
    made = Transformer(SHAPE, seed(1), dim=8, heads=2, gaps=True).eval()
    torch.testing.assert_close(states(made, source), states(plain, source))
    states(made, source).square().sum().backward()
    assert made.gaps is not None
    assert made.gaps.grad is not None
    assert made.gaps.grad.abs().sum() > 0


def test_gaps_without_times_are_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"encoder\.gaps.*source\.times"):
        states(encoder(gaps=True), sequences(HISTORIES))
