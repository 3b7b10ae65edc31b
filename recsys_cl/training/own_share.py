"""What one of several processes takes of a step: some rows of an encoder, some queries of an objective.

Every process draws the same batch and the same views, so nothing has to be agreed upon beforehand. An encoder that reads each
row for itself (histories) reads a process's own rows, and all rows are gathered: an objective always sees the whole batch,
so that what it calls in-batch negatives are the batch's, however many processes there are. See docs/distributed.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Divisible, Objective, Shardable
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.exchange import agreed, gathered
from recsys_cl.ops.ranks import Ranks
from recsys_cl.ops.sharded import shard, shard_of


def divide_encoder(encoder: nn.Module, ranks: Ranks) -> None:
    """Let ``encoder``, in training, read this process's rows of sources that can be divided, and answer with all rows.

    Of other sources every process encodes the same rows. In both cases gradients that enter the encoder are the same in all
    processes. Hooks, and not a module around it, so that its weights keep their names.
    """
    open_calls: list[list[list[int]] | None] = []  # of each call under way, where its sources were cut

    def before(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        divided = _parts(arguments[0], ranks) if _training(module) else None
        open_calls.append(None if divided is None else [bounds for _, bounds in divided])
        return None if divided is None else ([part for part, _ in divided], *arguments[1:])

    def after(module: nn.Module, _: tuple[Any, ...], found: Sequence[Encoding]) -> Sequence[Encoding] | None:
        bounds = open_calls.pop()
        if bounds is not None:
            found = [_gather(one, cut, ranks) for one, cut in zip(found, bounds, strict=True)]
        return _agreed(found, ranks, users=bounds is None) if _training(module) else None

    encoder.register_forward_pre_hook(before)
    encoder.register_forward_hook(after)


def average_gradients(module: nn.Module, ranks: Ranks) -> None:
    """Let every gradient be the mean over all processes as soon as it is there; that of a shard is nobody else's."""

    def average(weight: Tensor) -> None:
        assert weight.grad is not None, "the hook runs behind the accumulation"
        weight.grad = ranks.mean(weight.grad)

    for weight in module.parameters():
        if weight.requires_grad and not shard_of(weight):
            weight.register_post_accumulate_grad_hook(average)  # type: ignore[no-untyped-call]


def shard_tables(module: nn.Module, ranks: Ranks) -> None:
    """Let each process keep its rows of every table that an encoder in ``module`` says can be shared so.

    Raises:
        Refused: there is none, though there is something to learn.
    """
    tables = [getattr(each, name) for each in module.modules() if isinstance(each, Shardable) for name in each.tables]
    if not tables and any(weight.requires_grad for weight in module.parameters()):
        raise Refused(
            "runtime.shard_tables: this recipe's encoder reads its tables whole; those of 'mf' and 'lightgcn' can be shared"
        )
    for table in tables:
        shard(table, ranks)


class OwnQueries:
    """A mean over queries, of which this process takes its share, weighed so that the mean over processes is the whole."""

    def __init__(self, of: Objective, ranks: Ranks) -> None:
        self.of, self.views, self._ranks = of, of.views, ranks
        self.everyone = getattr(of, "everyone", False)

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Loss of this process's queries; 0, with a gradient of 0, where it has none."""
        total = len(batch.query)
        own = self._ranks.share(total)
        weight = (own.stop - own.start) * self._ranks.size / total
        rows = own if weight else slice(0, 1)  # all processes must make the same calls
        negative = batch.negative if batch.negative is None or batch.negative.dim() == 1 else batch.negative[rows]
        share = replace(batch, query=batch.query[rows], positive=batch.positive[rows], negative=negative)
        loss: Tensor = weight * self.of(main, views, share)
        return loss


class OwnRows:
    """A contrast of rows with each other; this process contrasts only its own: cheaper by the square, and another loss."""

    def __init__(self, of: Objective, ranks: Ranks) -> None:
        self.of, self.views, self._ranks = of, of.views, ranks

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Loss of this process's users and positives among themselves."""
        items = self._share(batch.positives)
        cut = [self._cut(one, items) for one in (main, *views)]
        return self.of(cut[0], cut[1:], replace(batch, positives=items.stop - items.start))

    def _share(self, rows: int) -> slice:
        """Its rows, or where there are fewer than processes the first one, which has nobody to be contrasted with."""
        own = self._ranks.share(rows)
        return own if own.stop > own.start else slice(0, min(rows, 1))

    def _cut(self, encoding: Encoding, items: slice) -> Encoding:
        users = self._share(len(encoding.users))
        return replace(
            encoding,
            users=encoding.users[users],
            items=encoding.items[items],
            layers=tuple(self._cut(layer, items) for layer in encoding.layers),
            everyone=None,
            parts={name: self._cut(part, items) for name, part in encoding.parts.items()},
            present=None if encoding.present is None else encoding.present[items],
            members=None if encoding.members is None else encoding.members[users],
        )


def own_share(objective: Objective, ranks: Ranks, *, gather: bool = True) -> Objective:
    """``objective`` as one of ``ranks`` computes it: by its share where that is the same loss, otherwise as a whole.

    Args:
        objective: one that says ``mean_of_queries`` is divided by queries; one that says ``contrasts_rows`` may be by rows.
        ranks: the processes.
        gather: contrast the rows of all processes with each other, as one process would.
    """
    if isinstance(objective, nn.Module):  # it may remember what it has seen, which must be the same everywhere
        return objective
    if getattr(objective, "mean_of_queries", False):
        return OwnQueries(objective, ranks)
    if not gather and getattr(objective, "contrasts_rows", False):
        return OwnRows(objective, ranks)
    return objective


def _training(module: nn.Module) -> bool:
    return module.training and torch.is_grad_enabled()


def _parts(sources: Sequence[Any], ranks: Ranks) -> list[tuple[Divisible, list[int]]] | None:
    if not all(isinstance(source, Divisible) for source in sources):
        return None
    parts = [source.part(ranks.rank, ranks.size) for source in sources]
    return None if any(part is None for part in parts) else [part for part in parts if part is not None]


def _gather(encoding: Encoding, bounds: list[int], ranks: Ranks) -> Encoding:
    layers = tuple(_gather(layer, bounds, ranks) for layer in encoding.layers)
    return replace(encoding, users=gathered(encoding.users, bounds, ranks), layers=layers)


def _agreed(found: Sequence[Encoding], ranks: Ranks, *, users: bool) -> list[Encoding]:
    """The same encodings, whose items (and users, where these were not gathered) pass back the mean of all gradients."""
    asked: dict[int, Tensor] = {}

    def ask(encoding: Encoding) -> None:
        for rows in (encoding.items, *([encoding.users] if users else [])):
            if rows.requires_grad:
                asked.setdefault(id(rows), rows)
        for inner in (*encoding.layers, *encoding.parts.values()):
            ask(inner)

    def answer(encoding: Encoding) -> Encoding:
        return replace(
            encoding,
            users=same.get(id(encoding.users), encoding.users),
            items=same.get(id(encoding.items), encoding.items),
            layers=tuple(answer(layer) for layer in encoding.layers),
            parts={name: answer(part) for name, part in encoding.parts.items()},
        )

    for encoding in found:
        ask(encoding)
    same = dict(zip(asked, agreed(list(asked.values()), ranks), strict=True))
    return [answer(encoding) for encoding in found]
