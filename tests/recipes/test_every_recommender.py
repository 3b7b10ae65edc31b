"""What every recipe keeps, whatever it is made of: one suite, one row a recipe of the sequence, few-shot and graph families."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from safetensors.torch import load_file

from recsys_cl.config import load_recipe
from recsys_cl.core.values import Encoding, Interactions, Ragged, Shape
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.evaluation.rank import rank
from recsys_cl.stages.assemble import Assembly, assemble
from recsys_cl.training.loop import fit
from recsys_cl.training.plan import Plan
from recsys_cl.training.randomness import seeded
from recsys_cl.training.weights import save_weights
from tests.shipped import of_family

SHAPE = Shape(users=14, items=12)
READING = {"source": {"batch_size": 5}, "encoder": {"dim": 8}}
SMALL = {"sequence": READING, "few-shot": READING, "graph": {"encoder": {"dim": 8}}}
FEW_SHOT = ["meta-mf", "anil-sasrec", "proto-cold"]  # meta-content reads content, which this log has not
SEQUENCE = [*FEW_SHOT, *of_family("sequence")]
NAMES = SEQUENCE + of_family("graph")
EVERYONE = torch.arange(SHAPE.users)


class Silent:
    def note(self, values: Mapping[str, str]) -> None:
        pass

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        pass


def log() -> Interactions:
    """Two to six different items each; user 13 has met nothing."""
    rng = torch.Generator().manual_seed(3)
    rows = [torch.randperm(SHAPE.items, generator=rng)[: 2 + user % 5] for user in range(SHAPE.users - 1)]
    met = sorted((place, user, item) for user, row in enumerate(rows) for place, item in enumerate(row.tolist()))
    columns = torch.tensor(met)
    return Interactions(SHAPE, columns[:, 1], columns[:, 2], columns[:, 0])


def made(name: str, data: Interactions, seed: int = 1) -> Assembly:
    recipe = load_recipe(name)
    few = {"sampler": {"negatives": 24}} if recipe.sampler else {}
    return assemble(load_recipe(name, SMALL[recipe.family], few), data, seed, torch.device("cpu"))


def trained(name: str, folder: Path, seed: int = 1, epochs: int = 2) -> tuple[Assembly, Encoding]:
    with seeded(seed):
        built = made(name, log(), seed)
        fit(built.method, built.feed, None, Plan(epochs=epochs), Silent(), torch.Generator().manual_seed(seed), folder)
    return built, encode_all(built.method, built.feed, EVERYONE)


@cache
def ready(name: str) -> tuple[Assembly, Encoding]:
    """The same for all tests that leave it as it is."""
    with TemporaryDirectory() as folder:
        return trained(name, Path(folder))


def same(one: Encoding, other: Encoding) -> bool:
    return torch.equal(one.users, other.users) and torch.equal(one.items, other.items)


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_is_one_model_and_another_is_another(name: str, tmp_path: Path) -> None:
    _, one = ready(name)
    _, again = trained(name, tmp_path / "again")
    _, other = trained(name, tmp_path / "other", seed=2)
    assert same(one, again)
    assert not torch.equal(one.items, other.items)
    assert torch.isfinite(one.users).all()
    assert torch.isfinite(one.items).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_epochs_leave_the_initialisation_and_training_leaves_the_data(name: str, tmp_path: Path) -> None:
    _, none = trained(name, tmp_path / "none", epochs=0)
    fresh = made(name, log())
    assert same(none, encode_all(fresh.method, fresh.feed, EVERYONE))
    data = log()
    kept = [column.clone() for column in (data.users, data.items, data.times)]
    built = made(name, data)
    rng = torch.Generator().manual_seed(1)
    for batch in built.feed.training(rng):
        built.method.losses(batch, rng)
    assert all(torch.equal(a, b) for a, b in zip(kept, (data.users, data.items, data.times), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_what_was_saved_answers_the_same_bytes(name: str, tmp_path: Path) -> None:
    built, before = ready(name)
    save_weights(built.method.module, tmp_path / "weights.safetensors")
    other = made(name, log(), seed=9)
    other.method.module.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert same(before, encode_all(other.method, other.feed, EVERYONE))


@pytest.mark.parametrize("name", NAMES)
def test_one_by_one_and_in_any_order_users_get_what_they_get_together(name: str) -> None:
    built, together = ready(name)
    alone = torch.cat([encode_all(built.method, built.feed, EVERYONE[user : user + 1]).users for user in EVERYONE])
    torch.testing.assert_close(alone, together.users, rtol=1e-5, atol=1e-6)
    backwards = encode_all(built.method, built.feed, EVERYONE.flip(0)).users.flip(0)
    torch.testing.assert_close(backwards, together.users, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SEQUENCE)
def test_somebody_who_met_nothing_changes_nobody(name: str) -> None:
    built, found = ready(name)
    data = log()
    users, items = torch.cat((data.users, torch.full((8,), 13))), torch.cat((data.items, torch.arange(8)))
    longer = Interactions(SHAPE, users, items, torch.cat((data.times, torch.arange(100, 108))))
    feed = made(name, longer).feed
    now = encode_all(built.method, feed, EVERYONE)
    torch.testing.assert_close(now.users[:13], found.users[:13], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(now.users[13], found.users[13])


@pytest.mark.parametrize("name", NAMES)
def test_lists_are_as_long_as_there_are_items_and_repeat_nothing(name: str) -> None:
    data = log()
    built = made(name, data)
    found = encode_all(built.method, built.feed, EVERYONE)
    held_out = Ragged(torch.zeros(SHAPE.users, dtype=torch.int64), torch.arange(SHAPE.users + 1))
    seen = data.by_user()
    for k in (1, 5, 40):
        for user, row in enumerate(rank(found, held_out, seen, k, 2**22)[0].items.tolist()):
            listed = [item for item in row if item >= 0]
            assert len(listed) == len(set(listed)) == min(k, SHAPE.items - len(seen.row(user)))
            assert not set(listed) & set(seen.row(user).tolist())
