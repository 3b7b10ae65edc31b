"""Learning to be adapted: whoever is asked for is a task, known by a few items, and the model is trained to need no more.

MAML and its first-order form (Finn et al., 2017, arXiv:1703.03400), ANIL (Raghu et al., 2020, arXiv:1909.09157), Reptile
(Nichol et al., 2018, arXiv:1803.02999) and prototypes (Snell et al., 2017, arXiv:1703.05175), as settings of one method.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import embedding, embedding_bag

from recsys_cl.core.protocols import AnswersAreTasks, Encoder, Objective, Tasks, View
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, ItemFeatures
from recsys_cl.methods._descent import Algorithm, Descent, Learned, refuse
from recsys_cl.methods._encode import scored
from recsys_cl.methods._fast import fast_weights, named, own_states, start_of
from recsys_cl.methods._inner import Head, Inner, Kind
from recsys_cl.methods._profile import Profile, profiles
from recsys_cl.ops.adapt import Weights
from recsys_cl.ops.twice import twice_differentiable


class Meta(nn.Module):
    """Adapts to each task's support by ``steps`` of gradient descent on ``inner``; what it asks then is the outer objectives'.

    A score is the dot product of a task's vector with an item's, and items are ranked for everybody: whatever the items'
    vectors are made of is learned in the outer loop alone. Adapted is all else of encoder and head (``maml``, ``reptile``), or
    the head alone (``anil``), where the encoder runs once for all tasks. Tasks are batched by ``torch.func``.
    ``reptile`` descends on support and query; its term draws the start to where that led, and items learn from the outer
    objectives there. ``prototype`` takes no steps: the mean of the state for nobody and of the support's items.

    Args:
        encoder: reads histories.
        objectives: of the query, after adaptation; weight and objective by name.
        inner: objectives of the support, with weights, see ``methods/_inner.py``; the softmax over the catalogue by default.
        first_order: take inner gradients for constants; ``reptile`` always does.
        inner_rate: of the inner steps.
        learn_rate: learn it, too, in the outer loop: Meta-SGD with one rate for all (Li et al., 2017, arXiv:1707.09835).
        steps: of the inner loop, in training and for whoever is asked for later: the budget.
        tolerance, longest: whose gradient is no longer takes no more steps; a longer one is shortened.
        head: what is put on the encoder's states.
        negatives: items drawn once, that stand against every answer of the inner loss; 0: the whole catalogue does.
        about: let what ``features`` say of the users say where each task begins; where nothing is known, all begin alike.
        similarity: what a score is: the dot product of the vectors, or their cosine.
    """

    adapts = True
    terms = ("reptile",)

    def __init__(
        self,
        encoder: Encoder[Any],
        objectives: Mapping[str, tuple[float, Objective]],
        interactions: Interactions,
        rng: Generator,
        views: Sequence[View[Any]] = (),
        main_view: View[Any] | None = None,
        *,
        inner: dict[str, Component] | None = None,
        algorithm: Algorithm = "maml",
        first_order: bool = False,
        inner_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1,
        learn_rate: bool = False,
        steps: PositiveInt = 5,
        tolerance: Annotated[float, Ge(0)] = 0.0,
        longest: Annotated[float, Field(gt=0)] = math.inf,
        head: Kind = "none",
        negatives: Annotated[int, Ge(0)] = 0,
        about: bool = False,
        features: ItemFeatures | None = None,
        similarity: Literal["dot", "cosine"] = "dot",
    ) -> None:
        super().__init__()
        refuse(algorithm, head, learn_rate=learn_rate, views=bool(views) or main_view is not None)
        self.encoder, self.objectives, self.similarity = encoder, objectives, similarity
        self.algorithm, self.steps = algorithm, steps
        bounds = {"tolerance": tolerance, "longest": longest}
        self.descent = Descent(inner_rate, learned=learn_rate, first_order=first_order or algorithm == "reptile", **bounds)
        self.head = Head(head, encoder.dim)
        answering = getattr(encoder, "answering", interactions.shape.items)
        self.inner = Inner(inner or {"softmax": Component(use="softmax")}, negatives, encoder.dim, interactions, rng, answering)
        told = features.people if about and features is not None else None
        self.profile = None if told is None else Profile(told, encoder.dim, rng)
        self.learned = nn.ModuleDict({n: o for n, (_, o) in objectives.items() if isinstance(o, nn.Module)})
        self._fast: tuple[str, ...] | None = None  # the encoder's weights that tasks adapt; known when the first is seen

    def losses(self, batch: Batch[Any], rng: Generator) -> dict[str, Tensor]:  # noqa: ARG002 - the protocol passes it
        """Weighted loss terms by name, scalars; their sum is what to minimise."""
        tasks: Tasks = batch.source
        found = self._learn(tasks)
        asks = found.vectors[:, tasks.support.shape[1] :].flatten(0, 1)
        main = Encoding(asks, found.items if batch.items is None else embedding(batch.items, found.items))
        terms = {name: weight * objective(main, (), batch) for name, (weight, objective) in self.objectives.items()}
        return terms if found.drawn is None else {**terms, "reptile": found.drawn}

    def encode(self, source: Tasks | AnswersAreTasks, users: Tensor) -> Encoding:
        """Vectors of the tasks [T, D] after adaptation, of the whole catalogue, and the steps that each took.

        Where what answers is tasks: of ``users`` [U, D], as they were learned, and of the catalogue after
        adaptation: an item is the mean of the tasks that it is.
        """
        if isinstance(source, AnswersAreTasks):
            blocks, of = [self._learn(block) for block in source.blocks], source.tasks
            items = embedding_bag(of.values, torch.cat([each.vectors[:, -1] for each in blocks]), of.offsets[:-1], mode="mean")
            return scored(Encoding(embedding(users, blocks[0].items), items), self.similarity)
        found = self._learn(source)
        return replace(scored(Encoding(found.vectors[:, -1], found.items), self.similarity), steps=found.steps)

    def _learn(self, tasks: Tasks) -> Learned:
        """What each task knows after its support, at every place of its history."""
        tokens, support = tasks.tokens, tasks.support
        (plain,) = self.encoder([tasks.rows(tokens)], tokens[:, 0])
        profile = profiles(self.profile, tasks.about, len(tokens), plain.users)
        states = plain.users.view(*tokens.shape, -1) + profile[:, None]
        if self.algorithm == "prototype":
            mean = (states[:, 0] + embedding(support, plain.items).sum(1)) / (1 + support.shape[1])
            return Learned(plain.items, mean[:, None].expand_as(states), torch.zeros_like(tokens[:, 0]))
        if self._fast is None:
            self._fast = () if self.algorithm == "anil" else fast_weights(self.get_submodule("encoder"), tasks)
        start, reptile = start_of(self.head, self.get_submodule("encoder"), self._fast), self.algorithm == "reptile"
        learns_from = torch.cat((support, tasks.query), 1) if reptile else support
        size = learns_from.shape[1]

        def vectors(weights: Weights, tokens: Tensor, states: Tensor, profile: Tensor) -> Tensor:
            """Of one task, [L, D]; with no weights of its own the encoder has said all already."""
            body = named("encoder.", weights)
            read = own_states(self.get_submodule("encoder"), body, tasks, tokens) + profile if body else states
            return functional_call(self.head, named("head.", weights), (read,))  # type: ignore[no-any-return]

        def loss(weights: Weights, tokens: Tensor, states: Tensor, profile: Tensor, answers: Tensor) -> Tensor:
            return self.inner(vectors(weights, tokens, states, profile), answers, plain.items)  # type: ignore[no-any-return]

        given = (tokens[:, :size], states[:, :size], profile, learns_from)
        own, steps = self.descent(loss, start, given, self.steps if size else 0)
        drawn = self.descent.draws(start, own) if reptile else None
        own = {name: value.detach() for name, value in own.items()} if reptile else own
        with twice_differentiable():
            return Learned(plain.items, vmap(vectors, randomness="same")(own, tokens, states, profile), steps, drawn)

    def within(self, budget: int) -> Meta:
        """The same method and weights, taking no more than ``budget`` steps; 0: nobody is adapted to."""
        less = copy(self)  # modules and parameters are shared
        less.steps = min(self.steps, budget)
        return less

    @property
    def module(self) -> nn.Module:
        """Itself."""
        return self
