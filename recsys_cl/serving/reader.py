"""People by their histories: vectors for those a model has not met, or not since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_cl.config import Recipe
from recsys_cl.core.build import build, resolve
from recsys_cl.core.chance import generator
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Feed, Method
from recsys_cl.core.values import Fold, Interactions, ItemFeatures, Ragged, Shape
from recsys_cl.encoders._content import kept_features
from recsys_cl.methods._profile import kept_people
from recsys_cl.ops.ragged import owners
from recsys_cl.ops.recency import strengths


class Read(NamedTuple):
    """What was made of R histories."""

    vectors: Tensor  # [R, D]
    steps: Tensor | None = None  # [R] int64: gradient steps taken for each, where the model adapts to histories


class Reader(Protocol):
    """Turns histories into the vectors of whoever has them."""

    @property
    def adapts(self) -> bool:
        """Whether it takes steps to know somebody, and says how many."""
        ...

    @property
    def folds(self) -> bool:
        """Whether it is a rule beside the encoder and not the encoder itself; answers then say so."""
        ...

    def knows(self, histories: Ragged) -> Tensor:
        """Whose history says anything to it, [R] bool; an empty one does not."""
        ...

    def read(self, histories: Ragged) -> Read:
        """One vector a row; rows are item ids, oldest first, none empty."""
        ...

    def vectors(self, histories: Ragged, about: ItemFeatures | None = None) -> Tensor:
        """The vectors alone, [R, D]; ``about`` is what else is known of each, as it was prepared."""
        ...

    def state(self) -> dict[str, Tensor]:
        """What to keep beside a model, so that `restore` makes the same reader."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ByRule:
    """By a rule that is linear in what was met, or in how much it counts by now (see `Fold`)."""

    fold: Fold
    adapts: ClassVar[bool] = False
    folds: ClassVar[bool] = True

    def knows(self, histories: Ragged) -> Tensor:
        """Who has met an item of which the rule says something: of one that came after it, it does not."""
        if self.fold.offset:
            return histories.lengths > 0
        says = (self.fold.rows[histories.values] != 0).any(1)
        return torch.bincount(owners(histories.lengths)[says], minlength=len(histories)) > 0

    def read(self, histories: Ragged) -> Read:
        """Vectors; nothing is adapted."""
        return Read(self.vectors(histories))

    def vectors(self, histories: Ragged, about: ItemFeatures | None = None) -> Tensor:  # noqa: ARG002 - the protocol passes it
        """Sums over the distinct items of each row."""
        items, rows = self.fold.rows.shape[0], len(histories)
        pairs, which = torch.unique(owners(histories.lengths) * items + histories.values, return_inverse=True)
        fading = strengths(histories, self.fold.recency)
        counts = fading.new_zeros(len(pairs)).scatter_reduce_(0, which, fading, "amax")[:, None]
        owner = pairs // items
        summed = self.fold.rows.new_zeros(rows, self.fold.rows.shape[1]).index_add_(
            0, owner, self.fold.rows[pairs % items] * counts
        )
        found = summed / counts.new_zeros(rows, 1).index_add_(0, owner, counts) ** self.fold.exponent
        return torch.cat((normalize(found, dim=1), found.new_ones(rows, 1)), dim=1) if self.fold.offset else found

    def state(self) -> dict[str, Tensor]:
        """The rule."""
        return self.fold.tensors()


@dataclass(slots=True, eq=False)
class ByEncoder:
    """By the trained encoder itself: whoever asks is read exactly as the users of the training data were.

    Args:
        recipe: of the model.
        shape: the vocabularies it was trained on.
        weights: all of its state, by name.
    """

    recipe: Recipe
    shape: Shape
    weights: Mapping[str, Tensor]
    _method: Method[Any] | None = None
    _building: Lock = field(default_factory=Lock)
    folds: ClassVar[bool] = False

    @property
    def adapts(self) -> bool:
        """As the method says of itself."""
        return bool(getattr(resolve("methods", self.recipe.method.use, "method"), "adapts", False))

    def knows(self, histories: Ragged) -> Tensor:
        """Who has met anything."""
        return histories.lengths > 0

    def vectors(self, histories: Ragged, about: ItemFeatures | None = None) -> Tensor:
        """The encoder's states of the histories, adapted to them where the method does so."""
        return self.read(histories, about=about).vectors

    def read(self, histories: Ragged, budget: int | None = None, about: ItemFeatures | None = None) -> Read:
        """Vectors, and the steps taken for each by a method that adapts: its own number, or no more than ``budget``."""
        from recsys_cl.evaluation.encode import encode_all

        guests = Shape(len(histories), self.shape.items)
        users = owners(histories.lengths)
        read = Interactions(guests, users, histories.values, torch.zeros_like(users))
        rng, told = generator(0, "unused"), None if about is None else ItemFeatures({}, about)
        feed: Feed[Any] = build(
            "structures", self.recipe.source, "source", shape=guests, interactions=read, sampler=None, rng=rng, features=told
        )
        method: Any = self.trained()
        found = encode_all(method if budget is None else method.within(budget), feed, torch.arange(guests.users))
        return Read(found.users.float(), found.steps)

    def state(self) -> dict[str, Tensor]:
        """The weights."""
        return {f"weights/{name}": value for name, value in self.weights.items()}

    def trained(self) -> Method[Any]:
        """The method, built at its first use."""
        with self._building:  # requests come from several threads
            if self._method is None:
                self._method = _rebuilt(self.recipe, self.shape, self.weights)
            return self._method


def reader_of(recipe: Mapping[str, Any], shape: Shape, vectors: Mapping[str, Tensor], weights: Path) -> Reader | None:
    """The reader of a trained model: what its family offers, None where that is nothing.

    Args:
        recipe: as JSON.
        shape: the vocabularies it was trained on.
        vectors: what its evaluation left; ``fold`` is its rule, if it has one.
        weights: its trained weights.
    """
    from safetensors.torch import load_file

    made = Recipe.model_validate_json(json.dumps(recipe))
    if getattr(resolve("structures", made.source.use, "source"), "reads_histories", False):
        return ByEncoder(made, shape, load_file(weights))
    return _folding(vectors)


def restore(recipe: Mapping[str, Any], shape: Shape, state: Mapping[str, Tensor]) -> Reader | None:
    """The reader whose `Reader.state` was kept."""
    weights = {name.removeprefix("weights/"): value for name, value in state.items() if name.startswith("weights/")}
    return ByEncoder(Recipe.model_validate_json(json.dumps(recipe)), shape, weights) if weights else _folding(state)


def _folding(tensors: Mapping[str, Tensor]) -> ByRule | None:
    fold = Fold.among(tensors)
    return None if fold is None else ByRule(fold)


def _rebuilt(recipe: Recipe, shape: Shape, weights: Mapping[str, Tensor]) -> Method[Any]:
    """The trained method without what only training needs: no objectives, views or sampler."""
    none = torch.zeros(0, dtype=torch.int64)
    context: dict[str, Any] = {
        "shape": shape,
        "interactions": Interactions(shape, none, none, none),
        "rng": generator(0, "unused"),
    }
    content, people = kept_features(weights), kept_people(weights)
    context["features"] = content if people is None else ItemFeatures(content.modalities if content else {}, people)
    encoder = build("encoders", recipe.encoder, "encoder", **context)
    method: Method[Any] = build(
        "methods", recipe.method, "method", encoder=encoder, views=(), main_view=None, objectives={}, **context
    )
    wanted = method.module.state_dict()
    missing = sorted(name for name in wanted if name not in weights or weights[name].shape != wanted[name].shape)
    if missing:
        raise Refused(f"the model's weights lack {', '.join(missing[:5])}; it cannot read histories")
    method.module.load_state_dict({name: weights[name] for name in wanted})
    method.module.eval()
    return method
