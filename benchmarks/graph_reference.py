"""Graph recommenders the way they are usually written: what our own step is timed against.

Sparse COO products through autograd, a stack and a mean over layers, one Python loop iteration a negative, losses term by
term. The algorithms are those of LightGCN, SGL, SimGCL and XSimGCL; nothing is done slowly on purpose.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recsys_cl.core.values import Interactions


@dataclass(frozen=True)
class Setup:
    """Which published method, and its hyper-parameters."""

    method: str  # lightgcn, sgl-edge, simgcl or xsimgcl
    layers: int
    weight: float = 0.0
    temperature: float = 0.2
    eps: float = 0.0
    rate: float = 0.0
    include_input: bool = True
    decay: float = 1e-4


class Reference:
    """One method's parameters, sampler and optimiser; ``steps()`` trains one batch each time it is advanced."""

    def __init__(self, setup: Setup, data: Interactions, dim: int = 64, batch_size: int = 2048) -> None:
        self.setup, self.shape, self.batch_size = setup, data.shape, batch_size
        self.pairs = list(zip(data.users.tolist(), data.items.tolist(), strict=True))
        self.met: dict[int, set[int]] = {}
        for user, item in self.pairs:
            self.met.setdefault(user, set()).add(item)
        self.adjacency = self.normalised(self.pairs)
        self.users = nn.Parameter(nn.init.xavier_uniform_(torch.empty(self.shape.users, dim)))
        self.items = nn.Parameter(nn.init.xavier_uniform_(torch.empty(self.shape.items, dim)))
        self.optimizer = torch.optim.Adam([self.users, self.items], lr=1e-3)

    def normalised(self, pairs: list[tuple[int, int]]) -> Tensor:
        """D^-1/2 A D^-1/2 as a coalesced COO matrix."""
        ends = torch.tensor(pairs).T
        rows = torch.cat((ends[0], ends[1] + self.shape.users))
        columns = torch.cat((ends[1] + self.shape.users, ends[0]))
        nodes = self.shape.users + self.shape.items
        scale = torch.bincount(rows, minlength=nodes).clamp(min=1).float().rsqrt()
        return torch.sparse_coo_tensor(
            torch.stack((rows, columns)), scale[rows] * scale[columns], (nodes, nodes), check_invariants=False
        ).coalesce()

    def dropped(self) -> Tensor:
        """The adjacency of the edges that survive."""
        return self.normalised([pair for pair in self.pairs if random.random() >= self.setup.rate])

    def batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Users, items they met, items they did not: [B] each."""
        random.shuffle(self.pairs)
        for start in range(0, len(self.pairs), self.batch_size):
            batch = self.pairs[start : start + self.batch_size]
            negatives = []
            for user, _ in batch:
                negative = random.randrange(self.shape.items)
                while negative in self.met[user]:
                    negative = random.randrange(self.shape.items)
                negatives.append(negative)
            users, items = torch.tensor(batch).T
            yield users, items, torch.tensor(negatives)

    def propagate(self, adjacency: Tensor, *, noisy: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Final users and items, and all layers."""
        state = torch.cat((self.users, self.items))
        layers = [state]
        for _ in range(self.setup.layers):
            state = torch.sparse.mm(adjacency, state)
            if noisy:
                state = state + torch.sign(state) * F.normalize(torch.rand_like(state), dim=-1) * self.setup.eps
            layers.append(state)
        mean = torch.stack(layers[0 if self.setup.include_input else 1 :], dim=1).mean(dim=1)
        users, items = torch.split(mean, [self.shape.users, self.shape.items])
        return users, items, layers

    def contrast(self, one: Tensor, other: Tensor) -> Tensor:
        """InfoNCE, one-sided, cosine."""
        one, other = F.normalize(one, dim=1), F.normalize(other, dim=1)
        positive = torch.exp((one * other).sum(1) / self.setup.temperature)
        total = torch.exp(one @ other.T / self.setup.temperature).sum(1)
        return -torch.log(positive / total + 1e-5).mean()

    def views(self, graphs: tuple[Tensor, Tensor], main: tuple[Tensor, Tensor, list[Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """The two encodings to contrast, users and items each; none for plain LightGCN."""
        if self.setup.method == "xsimgcl":
            users, items = torch.split(main[2][1], [self.shape.users, self.shape.items])
            return [main[:2], (users, items)]
        if self.setup.method == "lightgcn":
            return []
        noisy = self.setup.method == "simgcl"
        return [self.propagate(graph, noisy=noisy)[:2] for graph in graphs]

    def steps(self) -> Iterator[None]:
        """One epoch of training."""
        drops = self.setup.method == "sgl-edge"
        graphs = (self.dropped(), self.dropped()) if drops else (self.adjacency, self.adjacency)
        for users, items, negatives in self.batches():
            main = self.propagate(self.adjacency, noisy=self.setup.method == "xsimgcl")
            asks, hit, missed = main[0][users], main[1][items], main[1][negatives]
            loss = -F.logsigmoid((asks * hit).sum(1) - (asks * missed).sum(1)).mean()
            rows = (self.users[users], self.items[items], self.items[negatives])
            loss = loss + self.setup.decay * sum(row.square().sum() for row in rows) / 2 / len(users)
            views = self.views(graphs, main)
            if views:
                some_users, some_items = torch.unique(users), torch.unique(items)
                (one_users, one_items), (other_users, other_items) = views
                contrast = self.contrast(one_users[some_users], other_users[some_users])
                contrast = contrast + self.contrast(one_items[some_items], other_items[some_items])
                loss = loss + self.setup.weight * contrast
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            yield
