"""Training in several processes, each of which runs the same loop; the loop does not know.

A feed, a method and a keeper of checkpoints stand around those of one process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from safetensors.torch import load
from torch import Generator, Tensor, nn

from recsys_cl.core.chance import derive
from recsys_cl.core.errors import Unavailable
from recsys_cl.core.protocols import Divisible, Feed, Method
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.propagate import rows_shared
from recsys_cl.ops.ranks import Ranks
from recsys_cl.ops.sharded import Shard, shard_of, shards_of
from recsys_cl.training.checkpoint import Keeper, Parts
from recsys_cl.training.own_share import average_gradients
from recsys_cl.training.weights import pack

S = TypeVar("S")


class FeedInStep(Generic[S]):
    """A feed whose batches all processes draw alike; while one is worked on, they share the products of its graph.

    Args:
        feed: the feed of one process.
        module: what is trained; before each epoch all processes make sure that they hold the same weights.
        ranks: the processes.
        divided: each process encodes rows of its own, so that what it drops out must be its own chance, too.
    """

    def __init__(self, feed: Feed[S], module: nn.Module, ranks: Ranks, *, divided: bool) -> None:
        self.shape, self.steps, self.reads_histories = feed.shape, feed.steps, feed.reads_histories
        self._feed, self._module, self._ranks, self._divided = feed, module, ranks, divided

    def training(self, rng: Generator) -> Iterator[Batch[Any]]:
        """The feed's epoch."""
        self._compare()
        self._agree_on_chance()
        for batch in self._feed.training(rng):
            with rows_shared(self._ranks):
                yield batch

    def inference(self, users: Tensor) -> Iterator[tuple[S, Tensor]]:
        """The feed's own."""
        return self._feed.inference(users)

    def _compare(self) -> None:
        alike = [weight for weight in self._module.parameters() if not shard_of(weight)]
        own = (
            torch.stack([torch.zeros((), dtype=torch.float64), *(weight.detach().double().sum().cpu() for weight in alike)])
            .sum()
            .view(1)
        )
        found = self._ranks.gather(own, self._ranks.bounds(self._ranks.size))
        if bool((found != found[0]).any()):
            raise Unavailable(
                f"the processes hold different weights ({', '.join(map(str, found.tolist()))}); start them together"
            )

    def _agree_on_chance(self) -> None:
        """The process-wide generators go on from those of rank 0, from which alone a run is resumed."""
        state = self._ranks.tell(torch.get_rng_state().numpy().tobytes())
        used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        on_device = self._ranks.tell(torch.cuda.get_rng_state().numpy().tobytes() if used else b"")
        if not self._ranks.leads:
            torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
            if on_device:
                torch.cuda.set_rng_state(torch.frombuffer(bytearray(on_device), dtype=torch.uint8))
            if self._divided:
                torch.manual_seed(derive(int(torch.randint(2**62, ())), f"rank {self._ranks.rank}"))


class MethodInStep(Generic[S]):
    """A method whose loss terms are the mean over the processes: the same number everywhere, each with its own gradient."""

    def __init__(self, method: Method[S], ranks: Ranks) -> None:
        self._method, self._ranks = method, ranks

    def losses(self, batch: Batch[Any], rng: Generator) -> dict[str, Tensor]:
        """The wrapped method's terms."""
        terms = self._method.losses(batch, rng)
        own = torch.stack([term.detach() for term in terms.values()])
        aside = self._ranks.mean(own) - own
        return {name: term + more for (name, term), more in zip(terms.items(), aside, strict=True)}

    def encode(self, source: S, users: Tensor) -> Encoding:
        """Exactly the wrapped method's vectors."""
        return self._method.encode(source, users)

    @property
    def module(self) -> nn.Module:
        """The wrapped method's module, so that its weights keep their names."""
        return self._method.module


@dataclass(frozen=True, slots=True)
class KeeperInStep:
    """Checkpoints of all processes, kept by rank 0: alike in each, or put together of shards; any number can go on."""

    keeper: Keeper
    ranks: Ranks
    shards: Mapping[str, Shard]  # by part and name, as parts are

    def __str__(self) -> str:
        return str(self.keeper)

    def write(self, epoch: int, parts: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any]) -> None:
        """Rank 0 writes."""
        whole = {part: {name: self._whole(part, name, each) for name, each in some.items()} for part, some in parts.items()}
        if self.ranks.leads:
            self.keeper.write(epoch, whole, facts)

    def read(self) -> tuple[Parts, dict[str, Any]] | None:
        """Rank 0 reads, and tells the others."""
        kept = self.keeper.read() if self.ranks.leads else None
        facts = json.loads(self.ranks.tell(json.dumps(kept and [sorted(kept[0]), kept[1]]).encode()))
        if facts is None:
            return None
        flat = {f"{part}:{name}": value for part, values in kept[0].items() for name, value in values.items()} if kept else {}
        told = self.ranks.tell(pack(flat) if kept else b"")
        parts: Parts = {part: {} for part in facts[0]}
        for key, value in flat.items() if kept else load(told).items():
            part, name = key.split(":", 1)
            parts[part][name] = self._own(part, name, value)
        return parts, facts[1]

    def _whole(self, part: str, name: str, own: Tensor) -> Tensor:
        shard = self.shards.get(f"{part}:{name}")
        return shard.whole(own) if shard and own.dim() else own

    def _own(self, part: str, name: str, whole: Tensor) -> Tensor:
        shard = self.shards.get(f"{part}:{name}")
        return shard.cut(whole) if shard and whole.dim() else whole


def in_step(method: Method[S], feed: Feed[S], keeper: Keeper, ranks: Ranks) -> tuple[Method[S], Feed[S], Keeper]:
    """What the loop is given in each of ``ranks``; alone, just what went in.

    Gradients are averaged where they are not the same anyway: where processes encode rows of their own, and on a GPU, whose
    sums come in another order each time.
    """
    if ranks.alone:
        return method, feed, keeper
    source, _ = next(iter(feed.inference(torch.zeros(1, dtype=torch.int64, device=_device(method.module)))))
    divided = isinstance(source, Divisible)
    if divided or _device(method.module).type == "cuda":
        average_gradients(method.module, ranks)
    keeper = KeeperInStep(keeper, ranks, _kept_in_shards(method.module))
    return MethodInStep(method, ranks), FeedInStep(feed, method.module, ranks, divided=divided), keeper


def _kept_in_shards(module: nn.Module) -> dict[str, Shard]:
    """What a checkpoint has of each shard, by part and name: its weight, the best one, and the optimizer's moments."""
    learned = [weight for weight in module.parameters() if weight.requires_grad]
    found = {f"{part}:{name}": each for name, each in shards_of(module).items() for part in ("weights", "best")}
    for index, weight in enumerate(learned):
        if shard := shard_of(weight):
            found |= {f"optimizer:{index}/{name}": shard for name in ("exp_avg", "exp_avg_sq", "momentum_buffer")}
    return found


def _device(module: nn.Module) -> torch.device:
    return next((weight.device for weight in module.parameters()), torch.device("cpu"))
