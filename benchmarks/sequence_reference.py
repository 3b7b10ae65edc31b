"""Sequence recommenders the way they are usually written: what our own step is timed against.

Histories padded to one length from the left, attention written out, a Python loop over negatives and augmentations, one
forward pass a view. The algorithms are those of SASRec and CL4SRec; nothing is done slowly on purpose.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recsys_cl.core.values import Interactions

Loss = Literal["bce", "softmax", "cl4srec"]


class Block(nn.Module):
    """One head of causal self-attention and a position-wise network, each behind a layer norm."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value, self.mix = (nn.Linear(dim, dim) for _ in range(4))
        self.widen, self.narrow = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.first, self.second = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Tensor, blocked: Tensor) -> Tensor:
        """New states of all places, [B, L, D]; ``blocked`` [B, L, L] says what may not be looked at."""
        given = self.first(states)
        scores = self.query(given) @ self.key(given).transpose(1, 2) / states.shape[-1] ** 0.5
        shares = self.drop(scores.masked_fill(blocked, -1e9).softmax(-1))
        states = states + self.drop(self.mix(shares @ self.value(given)))
        return states + self.drop(self.narrow(F.gelu(self.widen(self.second(states)))))  # type: ignore[no-any-return]


class Reference(nn.Module):
    """One method's parameters, batches and optimiser; ``steps()`` trains one batch each time it is advanced."""

    def __init__(self, loss: Loss, data: Interactions, *, dim: int = 64, length: int = 50, layers: int = 2) -> None:
        super().__init__()
        self.loss, self.length, self.shape, self.batch_size = loss, length, data.shape, 256
        rows = data.by_user()
        self.histories = [rows.row(user).tolist() for user in range(len(rows))]
        self.met = [set(history) for history in self.histories]
        self.padding, self.hidden = data.shape.items, data.shape.items + 1
        self.items = nn.Embedding(data.shape.items + 2, dim)
        nn.init.normal_(self.items.weight, std=dim**-0.5)
        self.places = nn.Embedding(length, dim)
        self.drop, self.norm = nn.Dropout(0.5), nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(Block(dim, 0.5) for _ in range(layers))
        self.optimizer = torch.optim.Adam(self.parameters(), lr=1e-3)

    def padded(self, histories: list[list[int]]) -> Tensor:
        """The newest items of each history, filled up on the left, [B, L]."""
        rows = [[self.padding] * (self.length - len(history)) + history[-self.length :] for history in histories]
        return torch.tensor(rows)

    def states(self, tokens: Tensor) -> Tensor:
        """States of all places, [B, L, D]."""
        states = self.drop(self.items(tokens) + self.places(torch.arange(self.length)))
        later = torch.ones(self.length, self.length, dtype=torch.bool).triu(1)
        blocked = later | (tokens == self.padding)[:, None, :]
        for block in self.blocks:
            states = block(states, blocked)
        return self.norm(states)  # type: ignore[no-any-return]

    def other(self, user: int) -> int:
        """An item the user has not met."""
        while (item := random.randrange(self.shape.items)) in self.met[user]:
            pass
        return item

    def augmented(self, history: list[int]) -> list[int]:
        """A crop, a mask or a reordering of a history."""
        way, count = random.randrange(3), len(history)
        if way == 0:
            kept = max(1, int(0.6 * count))
            begin = random.randrange(count - kept + 1)
            return history[begin : begin + kept]
        if way == 1:
            gone = set(random.sample(range(count), int(0.3 * count)))
            return [self.hidden if place in gone else item for place, item in enumerate(history)]
        moved = int(0.6 * count)
        begin = random.randrange(count - moved + 1)
        part = history[begin : begin + moved]
        random.shuffle(part)
        return history[:begin] + part + history[begin + moved :]

    def main(self, users: list[int]) -> Tensor:
        """The loss of next items: BCE against one negative a place, or softmax over all items."""
        histories = [self.histories[user][-self.length - 1 :] for user in users]
        states = self.states(self.padded([history[:-1] for history in histories]))
        targets = self.padded([history[1:] for history in histories])
        there = targets != self.padding
        if self.loss == "softmax":
            return F.cross_entropy(states[there] @ self.items.weight[: self.shape.items].T, targets[there])
        drawn = self.padded([[self.other(user) for _ in history[1:]] for user, history in zip(users, histories, strict=True)])
        hit, missed = (states * self.items(targets)).sum(-1), (states * self.items(drawn)).sum(-1)
        return (F.softplus(-hit) + F.softplus(missed))[there].mean()

    def contrast(self, users: list[int]) -> Tensor:
        """InfoNCE between the last states of two augmentations, one forward pass each."""
        histories = [self.histories[user][:-1][-self.length :] for user in users]
        one, other = (
            F.normalize(self.states(self.padded([self.augmented(history) for history in histories]))[:, -1], dim=1)
            for _ in range(2)
        )
        return F.cross_entropy(one @ other.T / 0.2, torch.arange(len(users)))

    def steps(self) -> Iterator[None]:
        """One epoch of training."""
        learners = [user for user, history in enumerate(self.histories) if len(history) > 1]
        random.shuffle(learners)
        for begin in range(0, len(learners), self.batch_size):
            users = learners[begin : begin + self.batch_size]
            total = self.main(users)
            if self.loss == "cl4srec":
                total = total + 0.1 * self.contrast(users)
            self.optimizer.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            yield

    @torch.no_grad()
    def ranked(self, target: Tensor, k: int = 20) -> float:
        """NDCG@k of everybody's held-out item, ``target`` [U], among all items, those met before left out."""
        self.eval()
        gains = []
        for begin in range(0, len(self.histories), self.batch_size):
            histories = self.histories[begin : begin + self.batch_size]
            scores = self.states(self.padded(histories))[:, -1] @ self.items.weight[: self.shape.items].T
            for row, history in enumerate(histories):
                scores[row, history] = -torch.inf
            best = scores.topk(k).indices.tolist()
            for answer, found in zip(target[begin : begin + self.batch_size].tolist(), best, strict=True):
                gains.append(1 / torch.log2(torch.tensor(found.index(answer) + 2.0)).item() if answer in found else 0.0)
        self.train()
        return sum(gains) / len(gains)
