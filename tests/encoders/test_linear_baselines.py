"""PureSVD, ItemKNN, EASE, iALS and the Markov chain equal dense twins written from the papers, and refuse what would not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.encoders._item_to_item import refuse_beyond
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.metrics.recall import Recall
from recsys_cl.evaluation.rank import rank
from recsys_cl.structures.plain import Plain

SHAPE = Shape(30, 20)


def log(seed: int = 0, shape: Shape = SHAPE, count: int = 200) -> Interactions:
    """Random meetings, many of them more than once; the last item is met by nobody, the last user meets nothing."""
    rng = torch.Generator().manual_seed(seed)
    users = torch.randint(shape.users - 1, (count,), generator=rng)
    items = torch.randint(shape.items - 1, (count,), generator=rng)
    return Interactions(shape, users, items, torch.arange(count))


def dense(interactions: Interactions) -> np.ndarray:
    matrix = np.zeros((interactions.shape.users, interactions.shape.items))
    matrix[interactions.users.numpy(), interactions.items.numpy()] = 1
    return matrix


def made(use: str, interactions: Interactions, seed: int = 0, **arguments: object) -> torch.nn.Module:
    rng = torch.Generator().manual_seed(seed)
    module: torch.nn.Module = build("encoders", Component(use=use, **arguments), "encoder", interactions=interactions, rng=rng)
    return module


def scores(use: str, interactions: Interactions, **arguments: object) -> np.ndarray:
    (encoding,) = made(use, interactions, **arguments)([Plain()], torch.arange(interactions.shape.users))
    return (encoding.users.double() @ encoding.items.double().T).numpy()


@pytest.mark.parametrize("shape", [SHAPE, Shape(20, 30)])
@pytest.mark.parametrize("dim", [1, 5, 19, 20, 64])
def test_svd_is_the_best_approximation_of_its_rank(dim: int, shape: Shape) -> None:
    matrix = dense(log(shape=shape))
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    expected = (left[:, :dim] * values[:dim]) @ right[:dim]
    found = scores("svd", log(shape=shape), dim=dim)
    assert found == pytest.approx(expected, abs=1e-5)


def test_svd_of_two_separate_worlds_and_of_nothing() -> None:
    ids = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    twice = Interactions(Shape(4, 6), ids, torch.tensor([0, 1, 0, 1, 2, 3, 2, 3]), torch.arange(8))  # equal singular values
    assert scores("svd", twice, dim=2) == pytest.approx(dense(twice), abs=1e-6)
    nothing = Interactions(SHAPE, ids[:0], ids[:0], ids[:0])
    assert not scores("svd", nothing, dim=2).any()


def test_svd_is_the_same_whatever_the_starting_vector() -> None:
    one, other = (made("svd", log(), seed=seed, dim=4)([Plain()], torch.arange(30))[0] for seed in (1, 2))
    assert torch.allclose(one.users @ one.items.T, other.users @ other.items.T, atol=1e-5)


@pytest.mark.parametrize(("neighbours", "shrink"), [(3, 0.0), (3, 4.0), (100, 4.0)])
def test_item_knn_equals_loops(neighbours: int, shrink: float) -> None:
    matrix = dense(log())
    expected = np.zeros(matrix.shape)
    for j in range(matrix.shape[1]):
        like = []
        for i in range(matrix.shape[1]):
            both, lengths = matrix[:, i] @ matrix[:, j], np.sqrt(matrix[:, i].sum() * matrix[:, j].sum())
            like.append(both / (lengths + shrink) if i != j and both else 0.0)
        for i in sorted(range(len(like)), key=lambda i: (-like[i], i))[:neighbours]:
            expected[:, j] += matrix[:, i] * like[i]
    assert scores("item_knn", log(), neighbours=neighbours, shrink=shrink) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("l2", [0.5, 10.0, 500.0])
def test_ease_is_ridge_regression_of_each_item_on_the_others(l2: float) -> None:
    matrix = dense(log())
    expected = np.zeros(matrix.shape)
    for j in range(matrix.shape[1]):
        others = np.delete(matrix, j, axis=1)
        weights = np.linalg.solve(others.T @ others + l2 * np.eye(others.shape[1]), others.T @ matrix[:, j])
        expected[:, j] = others @ weights
    assert scores("ease", log(), l2=l2) == pytest.approx(expected, abs=1e-6)


def als_loss(matrix: np.ndarray, users: np.ndarray, items: np.ndarray, unobserved: float, l2: float, nu: float) -> float:
    scores = users @ items.T
    fit = ((scores - 1) ** 2 * matrix).sum() + unobserved * (scores**2).sum()
    frequencies = [matrix.sum(1) + unobserved * matrix.shape[1], matrix.sum(0) + unobserved * matrix.shape[0]]
    ridge = sum((weight**nu * (side**2).sum(1)).sum() for weight, side in zip(frequencies, (users, items), strict=True))
    return float(fit + l2 * ridge)


def test_ials_goes_down_with_every_sweep_and_its_users_are_where_the_gradient_is_zero() -> None:
    losses = []
    for sweeps in (1, 2, 4, 30):
        (encoding,) = made("ials", log(), dim=4, unobserved=0.2, l2=0.05, nu=0.5, sweeps=sweeps)([Plain()], torch.arange(30))
        users, items = encoding.users.double().requires_grad_(), encoding.items.double()
        losses.append(als_loss(dense(log()), users.detach().numpy(), items.numpy(), 0.2, 0.05, 0.5))
    assert losses == sorted(losses, reverse=True)
    for user in range(3):
        for step in np.eye(4) * 1e-2:
            moved = users.detach().numpy().copy()
            moved[user] += step
            assert als_loss(dense(log()), moved, items.numpy(), 0.2, 0.05, 0.5) > losses[-1]


def test_ials_is_honoured_by_its_seed() -> None:
    def users(seed: int) -> torch.Tensor:
        found: torch.Tensor = made("ials", log(), seed=seed, dim=4, sweeps=2)([Plain()], torch.arange(30))[0].users
        return found

    assert torch.equal(users(1), users(1))
    assert not torch.equal(users(1), users(2))


def test_markov_counts_what_directly_followed() -> None:
    # In order of time: user 0 goes 0 1 0 2, user 1 goes 0 1 1; user 2 met 3 only, user 3 nothing.
    users, items = torch.tensor([0, 1, 0, 0, 1, 2, 1, 0]), torch.tensor([0, 0, 1, 0, 1, 3, 1, 2])
    known = Interactions(Shape(4, 5), users, items, torch.arange(8))
    followed = np.zeros((5, 5))
    for before, after in [(0, 1), (1, 0), (0, 2), (0, 1), (1, 1)]:
        followed[before, after] += 1
    share = np.array([3, 3, 1, 1, 0]) / 8
    chances = (followed + 2 * share) / (followed.sum(1, keepdims=True) + 2)
    found = scores("markov", known, smoothing=2.0)
    assert found[:3] == pytest.approx(chances[[2, 1, 3]], abs=1e-6)
    assert found[:3].sum(1) == pytest.approx(1, abs=1e-6)
    assert not found[3].any()


def test_markov_finds_a_planted_cycle() -> None:
    start = torch.arange(40) % 10
    shape, users = Shape(40, 10), torch.arange(40).repeat(4)
    known = Interactions(shape, users, torch.cat([(start + step) % 10 for step in range(4)]), torch.arange(160))
    held_out = hold_out(Interactions(shape, torch.arange(40), (start + 4) % 10, torch.arange(40)), known, exclude_seen=True)
    (encoding,) = made("markov", known)([Plain()], held_out.users)
    ranking, _ = rank(encoding, held_out.truth, held_out.seen, 1)
    assert Recall(1)(ranking).mean().item() == 1


def test_ease_in_single_precision_is_ease() -> None:
    assert scores("ease", log(), l2=10.0, precision="fp32") == pytest.approx(scores("ease", log(), l2=10.0), abs=1e-5)


def test_ease_has_the_weights_of_the_formula() -> None:
    matrix = dense(log())
    inverse = np.linalg.inv(matrix.T @ matrix + 10 * np.eye(20))
    expected = inverse / -np.diag(inverse)
    np.fill_diagonal(expected, 0)
    assert scores("ease", log(), l2=10.0) == pytest.approx(matrix @ expected, abs=1e-6)


@pytest.mark.parametrize(
    ("use", "arguments"), [("svd", {"dim": 3}), ("item_knn", {"neighbours": 5}), ("ease", {"l2": 500.0}), ("ials", {"dim": 3})]
)
class TestContract:
    def test_planted_blocks_are_found(self, use: str, arguments: dict[str, object]) -> None:
        """Sixty users in three blocks of ten items met six of theirs each; the other four are what to recommend.

        One factor a block and a strong penalty: then all weights in a block are positive, and all others exactly 0.
        """
        rng = torch.Generator().manual_seed(3)
        orders = torch.stack([torch.randperm(10, generator=rng) + 10 * (user % 3) for user in range(60)])
        shape, users = Shape(60, 30), torch.arange(60)
        known = Interactions(shape, users.repeat_interleave(6), orders[:, :6].flatten(), torch.arange(360))
        later = Interactions(shape, users.repeat_interleave(4), orders[:, 6:].flatten(), torch.arange(240))
        held_out = hold_out(later, known, exclude_seen=True)
        (encoding,) = made(use, known, **arguments)([Plain()], held_out.users)
        ranking, _ = rank(encoding, held_out.truth, held_out.seen, 4)
        assert Recall(4)(ranking).mean().item() == 1

    def test_meeting_an_item_again_changes_nothing(self, use: str, arguments: dict[str, object]) -> None:
        once = log()
        twice = Interactions(SHAPE, once.users.repeat(2), once.items.repeat(2), once.times.repeat(2))
        assert scores(use, twice, **arguments) == pytest.approx(scores(use, once, **arguments), abs=1e-5)

    def test_nothing_is_trained_and_nothing_is_saved(self, use: str, arguments: dict[str, object]) -> None:
        module = made(use, log(), **arguments)
        assert not list(module.parameters())
        assert not module.state_dict()

    def test_who_met_nothing_scores_nothing(self, use: str, arguments: dict[str, object]) -> None:
        found = scores(use, log(), **arguments)
        assert np.abs(found[-1]).max() < 1e-12
        assert np.abs(found[:, -1]).max() < 1e-6


@pytest.mark.parametrize(
    ("use", "arguments", "need"),
    [
        ("ease", {}, "38,147 MiB; the limit is 8,192"),
        ("ease", {"precision": "fp64"}, "114,441 MiB"),
        ("markov", {}, "38,147 MiB"),
        ("item_knn", {"limit_mib": 700}, "763 MiB; the limit is 700"),
    ],
)
def test_a_catalogue_too_large_is_refused_before_anything_is_computed(
    use: str, arguments: dict[str, object], need: str
) -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    large = Interactions(Shape(1_000_000, 100_000), empty, empty, empty)
    with pytest.raises(Refused, match=f"limit_mib: .* of 1,000,000 users and 100,000 items, takes {need}"):
        made(use, large, **arguments)


def test_the_limit_is_the_size_of_the_vectors_where_they_are_dense_and_of_the_weights_beyond() -> None:
    refuse_beyond(1, Shape(256, 256 + 128), 0)
    with pytest.raises(Refused, match="limit_mib"):
        refuse_beyond(1, Shape(512, 384), 0)
    gowalla = Shape(29_858, 40_981)
    refuse_beyond(8192, gowalla, gowalla.items**2 * 4)
    with pytest.raises(Refused, match="takes 6,407 MiB; the limit is 6,406 MiB"):
        refuse_beyond(6406, gowalla, gowalla.items**2 * 4)


@pytest.mark.parametrize(
    ("use", "arguments"),
    [
        ("svd", {"dim": 0}),
        ("item_knn", {"neighbours": 0}),
        ("item_knn", {"shrink": -1.0}),
        ("ease", {"l2": 0.0}),
        ("ease", {"l2": -5.0}),
        ("ials", {"dim": 0}),
        ("ials", {"l2": 0.0}),
        ("ials", {"unobserved": -0.1}),
        ("ials", {"sweeps": 0}),
        ("ials", {"nu": -1.0}),
        ("ials", {"nu": float("nan")}),
        ("markov", {"smoothing": 0.0}),
    ],
)
def test_senseless_settings_are_refused(use: str, arguments: dict[str, object]) -> None:
    with pytest.raises(Refused, match=next(iter(arguments))):
        made(use, log(), **arguments)
