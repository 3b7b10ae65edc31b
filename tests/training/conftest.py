"""A recommender small enough to follow by hand, which draws from every generator that a checkpoint must keep."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Batch, Encoding, Shape
from recsys_cl.training.loop import fit
from recsys_cl.training.plan import Plan
from recsys_cl.training.randomness import seed_globals
from recsys_cl.training.run import Run

USERS, ITEMS, BATCH = 12, 10, 4


class Toy(nn.Module):
    """Dot products fitted to a checkerboard; `age` counts training steps as a saved buffer."""

    age: Tensor

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.user = nn.Parameter(torch.randn(USERS, 3, generator=rng))
        self.item = nn.Parameter(torch.randn(ITEMS, 3, generator=rng))
        self.register_buffer("age", torch.zeros((), dtype=torch.int64))

    def losses(self, batch: Batch[None], rng: Generator) -> dict[str, Tensor]:
        self.age += self.training
        chance = random.random() + np.random.random() + float(torch.rand(()))  # noqa: NPY002
        noise = torch.rand(batch.users.shape[0], 1, generator=rng)
        wanted = (batch.users[:, None] % 2 == torch.arange(ITEMS) % 2).float()
        error = (self.user[batch.users] + 0.1 * noise) @ self.item.T - wanted
        return {"fit": error.square().mean() * (1 + chance), "size": 0.01 * self.item.square().mean()}

    def encode(self, source: None, users: Tensor) -> Encoding:
        return Encoding(self.user[users], self.item)

    @property
    def module(self) -> nn.Module:
        return self


class Blocks:
    """Users in random blocks; told to, it stops the process at the n-th batch."""

    shape = Shape(USERS, ITEMS)
    steps = USERS // BATCH
    reads_histories = False

    def __init__(self, *, killed_at: int | None = None) -> None:
        self.killed_at = killed_at
        self.given = 0

    def training(self, rng: Generator) -> Iterator[Batch[None]]:
        for users in torch.randperm(USERS, generator=rng).split(BATCH):
            self.given += 1
            if self.given == self.killed_at:
                raise KeyboardInterrupt
            empty = torch.empty(0, dtype=torch.int64)
            yield Batch(None, users, None, 0, empty, empty)

    def inference(self, users: Tensor) -> Iterator[tuple[None, Tensor]]:
        yield None, users


@dataclass
class Told:
    """Remembers what it is told."""

    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)

    def note(self, values: Mapping[str, str]) -> None: ...

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self.rows.append((step, dict(metrics)))


def scripted(*scores: float) -> Callable[..., dict[str, Tensor]]:
    """A judge whose score follows from the epoch the weights have reached, for two users."""

    def judge(method: Toy, feed: Blocks) -> dict[str, Tensor]:
        assert not method.training
        assert not torch.is_grad_enabled()
        score = scores[int(method.age) // Blocks.steps]
        return {"ndcg@20": torch.tensor([score - 0.1, score + 0.1], dtype=torch.float64)}

    return judge


@dataclass
class Bench:
    """Runs `fit` on fresh toys that share one checkpoint folder."""

    folder: Path
    told: Told = field(default_factory=Told)

    def fit(
        self,
        plan: Plan,
        judge: Callable[..., dict[str, Tensor]] | None,
        *,
        killed_at: int | None = None,
        toy: Toy | None = None,
    ) -> Run:
        seed_globals(5)
        rng = torch.Generator().manual_seed(11)
        return fit(toy or Toy(), Blocks(killed_at=killed_at), judge, plan, self.told, rng, self.folder)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "checkpoint")


@pytest.fixture
def make_bench(tmp_path: Path) -> Callable[[str], Bench]:
    return lambda name: Bench(tmp_path / name)


@pytest.fixture
def toy_classes() -> tuple[type[Toy], type[Blocks], type[Told]]:
    return Toy, Blocks, Told


@pytest.fixture
def script() -> Callable[..., Callable[..., dict[str, Tensor]]]:
    return scripted
