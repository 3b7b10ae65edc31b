"""Learning to be adapted: whoever is asked for is a task, known by a few items, and the model is trained to need no more.

MAML and its first-order form (Finn et al., 2017, arXiv:1703.03400), ANIL (Raghu et al., 2020, arXiv:1909.09157), Reptile
(Nichol et al., 2018, arXiv:1803.02999) and prototypes (Snell et al., 2017, arXiv:1703.05175), as settings of one method.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

import torch
from annotated_types import Ge
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import embedding, embedding_bag

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import AnswersAreTasks, Encoder, Objective, Tasks, View
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, ItemFeatures
from recsys_cl.methods._encode import scored
from recsys_cl.methods._fast import fast_weights, named, own_states
from recsys_cl.methods._inner import Head, Inner, Kind
from recsys_cl.methods._profile import Profile
from recsys_cl.ops.adapt import Weights, adapt
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
        learn_rate: learn the inner rate, too, in the outer loop; it begins at ``inner_rate`` (Meta-SGD with one rate for all
            weights: Li et al., 2017, arXiv:1707.09835).
        steps: of the inner loop, in training and for whoever is asked for later: the budget.
        tolerance: whose gradient is no longer than this takes no more steps.
        longest: of a task's gradient, which is shortened to it; infinite by default.
        head: what is put on the encoder's states.
        negatives: items drawn once, that stand against every answer of the inner loss; 0: the whole catalogue does.
        about: let what is declared of the users say where each task begins; where nothing is known, all begin alike.
        features: whose users' part that is.
        similarity: what a score is: the dot product of the vectors, or their cosine.
    """

    adapts = True

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
        algorithm: Literal["maml", "anil", "reptile", "prototype"] = "maml",
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
        if views or main_view is not None:
            raise Refused("views: 'meta' contrasts what a task is asked for with all else, and reads no views")
        if algorithm == "anil" and head == "none":
            raise Refused("method.head: 'anil' adapts the head alone, and there is none; choose 'shift' or 'affine'")
        self.encoder, self.objectives, self.similarity = encoder, objectives, similarity
        if learn_rate and algorithm in ("reptile", "prototype"):
            raise Refused(
                f"method.learn_rate: '{algorithm}' does not differentiate through its steps, so no rate can be learned"
            )
        self.algorithm, self.inner_rate, self.steps = algorithm, inner_rate, steps
        self.log_rate = nn.Parameter(torch.tensor(math.log(inner_rate))) if learn_rate else None
        self.how: dict[str, Any] = {
            "first_order": first_order or algorithm == "reptile",
            "tolerance": tolerance,
            "longest": longest,
        }
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

        Where what answers is tasks: of ``users`` [U, D], as they were learned, and of the catalogue after adaptation.
        """
        if isinstance(source, AnswersAreTasks):
            return scored(self._answers(source, users), self.similarity)
        found = self._learn(source)
        return replace(scored(Encoding(found.vectors[:, -1], found.items), self.similarity), steps=found.steps)

    def _answers(self, source: AnswersAreTasks, users: Tensor) -> Encoding:
        """An item is the mean of the tasks that it is."""
        found = [self._learn(block) for block in source.blocks]
        vectors, of = torch.cat([each.vectors[:, -1] for each in found]), source.tasks
        items = embedding_bag(of.values, vectors, of.offsets[:-1], mode="mean")
        return Encoding(embedding(users, found[0].items), items)

    def _learn(self, tasks: Tasks) -> _Learned:
        """What each task knows after its support, at every place of its history."""
        tokens, support = tasks.tokens, tasks.support
        (plain,) = self.encoder([tasks.rows(tokens)], tokens[:, 0])
        profile = self._profile(tasks, plain.users)
        states = plain.users.view(*tokens.shape, -1) + profile[:, None]
        if self.algorithm == "prototype":
            mean = (states[:, 0] + embedding(support, plain.items).sum(1)) / (1 + support.shape[1])
            return _Learned(plain.items, mean[:, None].expand_as(states), torch.zeros_like(tokens[:, 0]))
        start, reptile = self._start(tasks), self.algorithm == "reptile"
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
        own, steps = adapt(loss, start, given, rate=self.rate, steps=self.steps if size else 0, **self.how)
        drawn = _distance(start, own) / self.inner_rate if reptile else None
        own = {name: value.detach() for name, value in own.items()} if reptile else own
        with twice_differentiable():
            return _Learned(plain.items, vmap(vectors, randomness="same")(own, tokens, states, profile), steps, drawn)

    def _profile(self, tasks: Tasks, like: Tensor) -> Tensor:
        """What is known of each task beside its support, [T, D]; 0 where nothing is."""
        if self.profile is None or tasks.about is None:
            return like.new_zeros(len(tasks.support), like.shape[1])
        said: Tensor = self.profile(tasks.about)
        return said

    def _start(self, tasks: Tasks) -> dict[str, Tensor]:
        """The weights from which every task begins, by name."""
        start: dict[str, Tensor] = {f"head.{name}": value for name, value in self.head.named_parameters()}
        if self.algorithm == "anil":
            return start
        encoder = self.get_submodule("encoder")
        if self._fast is None:
            self._fast = fast_weights(encoder, tasks)
        start |= {f"encoder.{name}": encoder.get_parameter(name) for name in self._fast}
        if not start:
            raise Refused("method.head: all of the encoder is what items are made of; without a head nothing can adapt")
        return start

    def within(self, budget: int) -> Meta:
        """The same method and weights, taking no more than ``budget`` steps; 0: nobody is adapted to."""
        less = copy(self)  # modules and parameters are shared
        less.steps = min(self.steps, budget)
        return less

    @property
    def rate(self) -> float | Tensor:
        """The inner rate, as it is now."""
        return self.inner_rate if self.log_rate is None else self.log_rate.exp()

    @property
    def module(self) -> nn.Module:
        """Itself."""
        return self


class _Learned(NamedTuple):
    """T tasks after their supports."""

    items: Tensor  # [I, D]
    vectors: Tensor  # [T, L, D]
    steps: Tensor  # [T]
    drawn: Tensor | None = None  # what draws the start to where the tasks ended


def _distance(start: Weights, own: Weights) -> Tensor:
    """Half the squared distance from where the tasks ended to the start, their mean; draws the start alone."""
    far = [(start[name] - value.detach()).square().flatten(1).sum(1) for name, value in own.items()]
    return torch.stack(far).sum(0).mean() / 2
