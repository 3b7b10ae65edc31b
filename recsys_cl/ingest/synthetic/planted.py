"""What is true of a made-up shop: who likes what, what follows what, and when each came to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from recsys_cl.core.chance import derive
from recsys_cl.ingest.synthetic.world import World

LIKED = 3
"""Communities a user likes, and successors an item has."""

FOLLOWING = np.array([0.6, 0.3, 0.1])
"""How likely each successor is."""

LATELY = 0.1
"""A fresh item was released within this share of the log's duration."""


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """The truth behind a log. Times are shares of its duration; items stand by (community, release), users by joining."""

    world: World
    joined: NDArray[np.float64]  # [U] never falling
    activity: NDArray[np.float64]  # [U]
    liked: NDArray[np.int16]  # [U, 3] communities, best first
    liking: NDArray[np.float64]  # [U, 3] their probabilities
    community: NDArray[np.int16]  # [I] never falling
    released: NDArray[np.float64]  # [I] never falling within a community
    weight: NDArray[np.float64]  # [I]
    successors: NDArray[np.int32]  # [I, 3] items of the same community
    user_numbers: NDArray[np.int32]  # [U] the number in a user's id
    item_numbers: NDArray[np.int32]  # [I] the number in an item's id

    def factors(self, at: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Users [U, C] and items [I, C] whose dot product is the probability of the item in the user's free draw.

        Args:
            at: the time, as a share of the log's duration; items not yet released have probability 0.
        """
        inside = self._inside(at)
        users = np.zeros((len(self.joined), self.world.communities))
        np.add.at(users, (np.arange(len(users))[:, None], self.liked), self.liking)
        users = (1 - self.world.stray) * users + self.world.stray * self.fame / self.fame.sum()
        items = np.zeros((len(inside), users.shape[1]))
        items[np.arange(len(inside)), self.community] = inside
        return users, items

    @property
    def fame(self) -> NDArray[np.float64]:
        """Weight of each community, [C]; how likely a stray draw is to be from it."""
        return np.asarray(np.bincount(self.community, self.weight), dtype=np.float64)

    def _inside(self, at: float) -> NDArray[np.float64]:
        """Probability of each item in a draw from its community, [I]."""
        out = self.weight * (self.released <= at)
        new = out * (self.released > at - LATELY)
        total, total_new = (np.bincount(self.community, w)[self.community] for w in (out, new))
        fresh = np.where(total_new > 0, self.world.fresh, 0.0)
        share_new = np.divide(new, total_new, out=np.zeros_like(new), where=total_new > 0)
        return np.asarray((1 - fresh) * out / total + fresh * share_new)


def plant(world: World) -> Planted:
    """Draw the truth of a world from its seed."""
    rng = np.random.default_rng(derive(world.seed, "synthetic", "planted"))
    community, released, weight = _catalogue(world, rng)
    joined = np.sort(np.where(rng.random(world.users) < 0.7, 0.0, rng.uniform(0, 0.95, world.users)))
    joined[0] = 0.0
    liking = rng.dirichlet((12.0, 4.0, 1.5), world.users)
    liking.sort(axis=1)
    return Planted(
        world=world,
        joined=joined,
        activity=rng.lognormal(0.0, 0.9, world.users),
        liked=_liked(world, rng),
        liking=liking[:, ::-1],
        community=community,
        released=released,
        weight=weight,
        successors=_successors(community, weight, rng),
        user_numbers=rng.permutation(world.users).astype(np.int32),
        item_numbers=rng.permutation(world.items).astype(np.int32),
    )


def _catalogue(world: World, rng: Generator) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.float64]]:
    sizes = rng.dirichlet(np.full(world.communities, 8.0))
    community = rng.choice(world.communities, world.items, p=sizes)
    released: NDArray[np.float64] = np.where(rng.random(world.items) < 0.6, 0.0, rng.uniform(0, 0.95, world.items))
    community[: world.communities] = np.arange(world.communities)  # every community opens with an item
    released[: world.communities] = 0.0
    weight = (rng.permutation(world.items) + 8.0) ** -0.9
    order = np.lexsort((released, community))
    return community[order].astype(np.int16), np.asarray(released[order]), np.asarray(weight[order], dtype=np.float64)


def _liked(world: World, rng: Generator) -> NDArray[np.int16]:
    """Three communities a user, distinct where there are three: a random start and two random strides around the circle."""
    around = world.communities
    first = rng.integers(around, size=world.users)
    stride = rng.integers(1, max(around, 2), size=world.users)
    other = rng.integers(1, max(around - 1, 2), size=world.users)
    other += other >= stride
    return np.stack([first, (first + stride) % around, (first + other) % around], axis=1).astype(np.int16)


def _successors(community: NDArray[np.int16], weight: NDArray[np.float64], rng: Generator) -> NDArray[np.int32]:
    """Items of the same community, the popular ones rather; the square root keeps the tail reachable."""
    total = np.concatenate(([0.0], np.cumsum(np.sqrt(weight))))
    first = np.searchsorted(community, community, side="left")
    beyond = np.searchsorted(community, community, side="right")
    drawn = total[first, None] + rng.random((len(weight), LIKED)) * (total[beyond] - total[first])[:, None]
    found = np.searchsorted(total, drawn, side="right") - 1
    return np.asarray(np.clip(found, first[:, None], beyond[:, None] - 1), dtype=np.int32)
