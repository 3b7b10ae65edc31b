"""The method of most papers: one encoding of the plain source, some of its views, a weighted sum of objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Generic, Literal, TypeVar

from annotated_types import Ge
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Encoder, FoldsIn, KnowsContent, Objective, View
from recsys_cl.core.values import Batch, Encoding, Fold, Interactions, ItemFeatures, Shape
from recsys_cl.methods._encode import encode, reads_everyone, scored
from recsys_cl.methods._popularity import fold_with_offsets, offsets, with_offsets
from recsys_cl.ops.recency import Recency

S = TypeVar("S")


class Contrastive(nn.Module, Generic[S]):
    """Joint training of a recommender and its contrastive objectives (e.g. SGL, Wu et al., 2021, arXiv:2010.10783).

    Args:
        encoder: source to vectors; called once a step with the plain source and all views, so that it can share work.
        views: augmentations, in the order in which the objectives count them.
        objectives: weight and objective by name; the names are those of the loss terms.
        main_view: alters the plain source in training too (XSimGCL, Yu et al., 2023, arXiv:2209.02544).
        similarity: what a score is: the dot product of the vectors, or their cosine.
        popularity: what the logarithm of how often an item was met counts for beside the cosine at recommendation, see
            ``methods/_popularity.py``; near the temperature where negatives are the batch's own positives. Vectors are then one
            number longer.
        recency: how much less an interaction counts with age in that popularity, as ``source.recency`` says it of edges.
        shape: how many users and items there are, for objectives that read all of them.
        interactions: how often each item was met.
    """

    offsets: Tensor

    def __init__(
        self,
        encoder: Encoder[S],
        objectives: Mapping[str, tuple[float, Objective]],
        views: Sequence[View[S]] = (),
        main_view: View[S] | None = None,
        *,
        similarity: Literal["dot", "cosine"] = "dot",
        popularity: Annotated[float, Ge(0)] = 0.0,
        recency: Recency = 0.0,
        shape: Shape | None = None,
        interactions: Interactions | None = None,
    ) -> None:
        super().__init__()
        if popularity and (similarity != "cosine" or interactions is None):
            raise Refused(
                'method.popularity: is weighed against a cosine of the interactions; set method.similarity = "cosine"'
            )
        if recency and not popularity:
            raise Refused("method.recency: is of method.popularity, which is 0; edges fade by source.recency")
        for name, (_, objective) in objectives.items():
            if objective.views > len(views):
                raise Refused(f"objectives.{name}: reads {objective.views} [[views]], the recipe has {len(views)}")
        self.encoder = encoder
        self.objectives = objectives
        self.views = views
        self.main_view = main_view
        self.similarity = similarity
        self.popularity = popularity
        if popularity and interactions is not None:  # kept with the weights: whoever reads the model knows no interactions
            self.register_buffer("offsets", offsets(interactions, popularity, recency))
        self.everyone = shape if reads_everyone(objectives.values()) else None
        # An objective with weights of its own (a learned temperature) is trained and saved like the encoder.
        self.learned = nn.ModuleDict({n: o for n, (_, o) in objectives.items() if isinstance(o, nn.Module)})

    def losses(self, batch: Batch[S], rng: Generator) -> dict[str, Tensor]:
        """Weighted loss terms by name, scalars; their sum is what to minimise."""
        source = batch.source if self.main_view is None else self.main_view(batch.source, rng)
        altered = [view(batch.source, rng) for view in self.views]
        main, *views = encode(self.encoder, [source, *altered], batch, self.everyone)
        return {name: weight * objective(main, views, batch) for name, (weight, objective) in self.objectives.items()}

    def encode(self, source: S, users: Tensor) -> Encoding:
        """Vectors of ``users`` [U, D] and of the whole catalogue [I, D] whose dot product is the score."""
        (encoding,) = self.encoder([source], users)
        return with_offsets(encoding, self.offsets) if self.popularity else scored(encoding, self.similarity)

    def fold_in(self, source: S) -> Fold | None:
        """The encoder's own rule, where it has one."""
        fold = self.encoder.fold_in(source) if isinstance(self.encoder, FoldsIn) else None
        return fold_with_offsets(fold) if self.popularity else fold

    def by_content(self, features: ItemFeatures) -> Tensor:
        """The encoder's own rule, whose dot products are scores.

        Raises:
            Refused: it has none.
        """
        if not isinstance(self.encoder, KnowsContent):
            raise Refused("this recipe's encoder does not know items by their content alone")
        items = self.encoder.by_content(features)
        nobody = Encoding(items[:0], items)
        return (with_offsets(nobody, items.new_zeros(len(items))) if self.popularity else scored(nobody, self.similarity)).items

    @property
    def module(self) -> nn.Module:
        """Itself: all weights live in the encoder and in objectives that learn."""
        return self
