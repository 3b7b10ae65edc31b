"""A recipe and interactions become a method and its feed; training and evaluation put the same parts together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from recsys_cl.config import Recipe
from recsys_cl.core.build import build, resolve
from recsys_cl.core.chance import generator
from recsys_cl.core.errors import Unavailable
from recsys_cl.core.protocols import Feed, Method
from recsys_cl.core.runtime import Runtime
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, ItemFeatures
from recsys_cl.core.weighted import weight_of, without_weight
from recsys_cl.ops.ranks import ALONE, Ranks
from recsys_cl.training.own_share import divide_encoder, own_share, shard_tables


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """A recipe brought to life on one device."""

    method: Method[Any]
    feed: Feed[Any]


def assemble(
    recipe: Recipe,
    interactions: Interactions,
    seed: int,
    device: torch.device,
    features: ItemFeatures | None = None,
    ranks: Ranks = ALONE,
    *,
    gather: bool = True,
    shards: bool = False,
) -> Assembly:
    """Build every component of ``recipe`` around ``interactions``, the only ones it will know, and the items' ``features``.

    Each component draws its initial weights from a generator of its own, named by its key: two recipes with the same
    encoder begin with the same weights, and adding a component changes no other's. Of several ``ranks`` this one's takes its
    share of each step; ``gather`` says whether rows are contrasted with those of the others,
    and ``shards`` whether each keeps only some rows of the tables.

    Raises:
        Refused: a component refuses its arguments or the interactions; the message begins with its key.
    """
    known, content = interactions.to(device), None if features is None else features.to(device)

    def make(slot: str, component: Component, key: str, **more: object) -> Any:
        rng = generator(seed, "initialisation", key)
        made = build(slot, component, key, shape=known.shape, interactions=known, features=content, rng=rng, **more)
        return own_share(made, ranks, gather=gather) if slot == "objectives" and not ranks.alone else made

    sampler = None if recipe.sampler is None else make("samplers", recipe.sampler, "sampler")
    feed: Feed[Any] = make("structures", recipe.source, "source", sampler=sampler)
    encoder = make("encoders", recipe.encoder, "encoder")
    if not ranks.alone:
        divide_encoder(encoder, ranks)
    method: Method[Any] = make(
        "methods",
        recipe.method,
        "method",
        encoder=encoder,
        feed=feed,
        views=[make("views", view, f"views.{number}") for number, view in enumerate(recipe.views)],
        main_view=None if recipe.main_view is None else make("views", recipe.main_view, "main_view"),
        objectives={
            name: (
                weight_of(part, f"objectives.{name}"),
                make("objectives", without_weight(part), f"objectives.{name}", dim=encoder.dim),
            )
            for name, part in recipe.objectives.items()
        },
    )
    if shards and not ranks.alone:
        shard_tables(method.module, ranks)
    method.module.to(device)
    return Assembly(method, feed)


def penalties(recipe: Recipe) -> frozenset[str]:
    """The loss terms of ``recipe`` that say of themselves that they are penalties, or stand around one."""
    return frozenset(name for name, part in recipe.objectives.items() if _is_penalty(part, f"objectives.{name}"))


def _is_penalty(part: Component, key: str) -> bool:
    inner = part.arguments.get("of")
    if inner is not None:
        return _is_penalty(Component.model_validate(inner), f"{key}.of")
    return bool(getattr(resolve("objectives", part.use, key), "penalty", False))


def device_of(runtime: Runtime) -> torch.device:
    """The device a runtime asks for; ``auto`` is CUDA where there is one. Sets the number of threads, where one is given.

    Raises:
        Unavailable: CUDA is asked for and there is none.
    """
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    available = torch.cuda.is_available()
    if runtime.device == "cuda" and not available:
        raise Unavailable("runtime.device: 'cuda' is not available on this machine; 'auto' takes the CPU instead")
    return torch.device("cuda" if available and runtime.device != "cpu" else "cpu")
