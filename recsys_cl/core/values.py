"""The nouns: frozen values that flow through the pipeline. Nothing here knows a family, a file or a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from recsys_cl.core.errors import Refused

if TYPE_CHECKING:  # here and in few functions, because ingestion and preparation start without torch
    import torch
    from torch import Tensor

S = TypeVar("S")
"""What an encoder reads: the *source*. Its type is the family (a graph, sequences, ...) and nothing else is."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many users and items the vocabularies hold; ids are ``0 .. users - 1`` and ``0 .. items - 1``."""

    users: int
    items: int


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Rows of different lengths, stored flat: row ``r`` is ``values[offsets[r] : offsets[r + 1]]``."""

    values: Tensor  # [N] int64
    offsets: Tensor  # [R + 1] int64, first 0, last N, never falling

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.offsets.numel()) - 1

    @property
    def lengths(self) -> Tensor:
        """Length of each row, [R]."""
        return self.offsets.diff()

    def row(self, index: int) -> Tensor:
        """One row, a view of ``values``."""
        return self.values[int(self.offsets[index]) : int(self.offsets[index + 1])]

    def part(self, rows: slice) -> Ragged:
        """Some consecutive ``rows``, numbered from 0."""
        offsets = self.offsets[rows.start : rows.stop + 1]
        return Ragged(self.values[int(offsets[0]) : int(offsets[-1])], offsets - offsets[0])

    def to(self, device: torch.device) -> Ragged:
        """The same rows on another device."""
        return Ragged(self.values.to(device), self.offsets.to(device))

    @staticmethod
    def group(rows: Tensor, values: Tensor, count: int) -> Ragged:
        """Group ``values`` [N] by ``rows`` [N] into ``count`` rows; within a row the given order is kept."""
        import torch

        order = torch.argsort(rows, stable=True)
        offsets = torch.zeros(count + 1, dtype=torch.int64, device=rows.device)
        torch.cumsum(torch.bincount(rows, minlength=count), 0, out=offsets[1:])
        return Ragged(values[order], offsets)


@dataclass(frozen=True, slots=True, eq=False)
class Interactions:
    """Who met what and when, as vocabulary ids, sorted by (time, order in the log).

    In held-out parts an item outside the vocabulary is ``shape.items``: it can never be recommended,
    so it counts as a miss without any special case. Training parts hold vocabulary ids only.
    """

    shape: Shape
    users: Tensor  # [N] int64
    items: Tensor  # [N] int64
    times: Tensor  # [N] int64, microseconds since 1970 UTC; 0 where the log has no time
    behaviours: Mapping[str, Tensor] = field(
        default_factory=dict
    )  # by type of event, [N] bool: one of the user with the item is known; what came later than train is of no type

    def __len__(self) -> int:
        """Number of interactions."""
        return int(self.users.numel())

    def by_user(self) -> Ragged:
        """Each user's items, oldest first."""
        return Ragged.group(self.users, self.items, self.shape.users)

    def to(self, device: torch.device) -> Interactions:
        """The same interactions on another device."""
        behaviours = {name: had.to(device) for name, had in self.behaviours.items()}
        return Interactions(self.shape, self.users.to(device), self.items.to(device), self.times.to(device), behaviours)

    def then(self, later: Interactions) -> Interactions:
        """These followed by ``later``; its items outside the vocabulary are left out. Sorted by time, ties in given order."""
        import torch

        known = later.items < self.shape.items
        users = torch.cat((self.users, later.users[known]))
        items = torch.cat((self.items, later.items[known]))
        times = torch.cat((self.times, later.times[known]))
        order = torch.argsort(times, stable=True)
        none = torch.zeros(int(known.sum()), dtype=torch.bool, device=users.device)
        behaviours = {name: torch.cat((had, none))[order] for name, had in self.behaviours.items()}
        return Interactions(self.shape, users[order], items[order], times[order], behaviours)


@dataclass(frozen=True, slots=True, eq=False)
class Modality:
    """One kind of content, such as an item's image or text: a vector for each item that has it."""

    values: Tensor  # [I, D] float32; the row of an item that has none is zero and means nothing
    present: Tensor  # [I] bool: the item has one
    shape: tuple[int, ...] = ()  # of a row: (3, H, W) pixels, flattened; (L, V): L words, each one of V numbers; (): a vector

    @property
    def words(self) -> int:
        """How many numbers stand for words, 0 for no word among them; 0: a row is coordinates."""
        return self.shape[1] if len(self.shape) == 2 else 0

    def categories(self, name: str) -> Tensor:
        """Which items are of which categories, [I, D] bool, of a modality called ``name`` whose coordinates are categories.

        Raises:
            Refused: they are not.
        """
        values = self.values.where(self.present[:, None], 0)
        inside = values > 0
        equal = values >= 0.999 * values.amax(1, keepdim=True)  # an item's categories are equal parts of its row
        if not bool((equal | (values == 0)).all()):
            raise Refused(
                f"the coordinates of the feature '{name}' are not categories of items; declare it with use = \"category\""
            )
        return inside

    def take(self, items: Tensor) -> Modality:
        """The rows of ``items`` [M]."""
        return replace(self, values=self.values.index_select(0, items), present=self.present[items])

    def to(self, device: torch.device) -> Modality:
        """The same on another device."""
        return replace(self, values=self.values.to(device), present=self.present.to(device))


@dataclass(frozen=True, slots=True, eq=False)
class ItemFeatures:
    """What is known of the items beside who met them; the order of the modalities means nothing."""

    modalities: Mapping[str, Modality]  # by name, one or more
    people: ItemFeatures | None = None  # the same of the users, a row each, where any is declared

    def __iter__(self) -> Iterator[tuple[str, Modality]]:
        """Name and modality, in the order of the names."""
        return iter(sorted(self.modalities.items()))

    @property
    def known(self) -> Tensor:
        """Items of which at least one modality is known, [I] bool."""
        import torch

        return torch.stack([modality.present for modality in self.modalities.values()]).any(0)

    def need_vectors(self, who: str) -> None:
        """Refuse modalities that are words on behalf of ``who``, that compares vectors."""
        for name, modality in self:
            if modality.words:
                raise Refused(f"{who} compares vectors, and '{name}' is words; declare it with use = \"text\" instead")

    def take(self, items: Tensor) -> ItemFeatures:
        """What is known of ``items`` [M], in that order."""
        return replace(self, modalities={name: modality.take(items) for name, modality in self.modalities.items()})

    def to(self, device: torch.device) -> ItemFeatures:
        """The same on another device."""
        people = None if self.people is None else self.people.to(device)
        return ItemFeatures({name: modality.to(device) for name, modality in self.modalities.items()}, people)


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Vectors for who asks and for what could answer.

    Rows are the ids the encoder was asked for, in that order (sequence encoders: one user row per position read out).

    Vectors are dense, but where D is the length of a large catalogue (see `encoders/_item_to_item.py`): there users are sparse,
    in torch's CSR layout, and items are dense or sparse in its CSC layout. Such vectors can be ranked; nobody keeps them.
    """

    users: Tensor  # [Q, D]
    items: Tensor  # [M, D]
    layers: tuple[
        Encoding, ...
    ] = ()  # the same rows after each propagation layer, input table first, where an encoder has layers
    everyone: Encoding | None = None  # all users and the whole catalogue, where an objective asked for them
    parts: Mapping[str, Encoding] = field(
        default_factory=dict
    )  # what the same rows are made of, by name, where an encoder says; without users, the part has items only
    present: Tensor | None = None  # [M] bool: items whose row says something; None: all
    members: Tensor | None = None  # [Q] bool: users whose row says something; None: all
    shares: tuple[float, ...] = ()  # how much each of ``layers`` counts, where vectors are, but for dropout, their sum
    steps: Tensor | None = None  # [Q] int64: gradient steps it took to know each user, where a method adapts to them


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """How somebody the model has not met becomes a vector: the rows of the n distinct items met, summed, over n ** exponent.

    With ``recency`` an item counts for ``(1 + age) ** -recency``, and n is the sum of that.
    """

    rows: Tensor  # [I, D]
    exponent: float
    offset: bool = False  # the vector is then of length 1, and a 1 follows it, by which items' offsets count
    recency: float = 0.0  # age is how many were met since

    def tensors(self) -> dict[str, Tensor]:
        """What to keep of it beside other tensors."""
        import torch

        rows = self.rows.clone()  # they may be the items themselves, and safetensors refuses tensors that share memory
        kept = {"fold": rows, "fold_exponent": torch.tensor(self.exponent)}
        kept |= {"fold_offset": torch.tensor(1.0)} if self.offset else {}
        return kept | ({"fold_recency": torch.tensor(self.recency)} if self.recency else {})

    @staticmethod
    def among(tensors: Mapping[str, Tensor]) -> Fold | None:
        """The rule that was kept, if one was."""
        if "fold" not in tensors:
            return None
        recency = float(tensors["fold_recency"]) if "fold_recency" in tensors else 0.0
        return Fold(tensors["fold"], float(tensors["fold_exponent"]), offset="fold_offset" in tensors, recency=recency)


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[S]):
    """One training step: what to read, which rows to ask the encoder for, and which row should answer which.

    ``users`` and ``items`` are ids without repeats, so one id is one sample and never its own negative.
    ``query``, ``positive`` and ``negative`` point at *rows* of the resulting ``Encoding``.
    """

    source: S
    users: Tensor  # [U] distinct user ids
    items: Tensor | None  # [M] distinct item ids, the positives first; None: the whole catalogue, row = id
    positives: int  # items[:positives] are the distinct positive items (0 when items is None)
    query: Tensor  # [B] row of Encoding.users that asks
    positive: Tensor  # [B] row of Encoding.items that answers
    negative: Tensor | None = None  # [B, K] rows of Encoding.items, or [K] shared by all queries; None: none were drawn
    log_q: Tensor | None = None  # [M] log-probability with which each item row is drawn as a negative


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where each held-out item stands among the user's negatives: all that could be recommended and was not held out."""

    rows: Tensor  # [P] row of the ranking each held-out item belongs to, never falling
    above: Tensor  # [P] negatives that score higher; all of them above an item that cannot be recommended
    tied: Tensor  # [P] negatives that score the same
    offered: Tensor  # [P] bool: it could have been recommended
    negatives: Tensor  # [U] how many negatives each user has


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The top of each user's full ranking beside what was held out; all that a metric may read.

    The optional fields are there for the metrics that name them in ``reads``.
    """

    items: Tensor  # [U, K] item ids, best first; -1 after the end of a list shorter than K
    hits: Tensor  # [U, K] bool: this item was held out for this user
    held_out: Tensor  # [U] number of held-out items, those outside the vocabulary included
    shape: Shape
    popularity: Tensor | None = None  # [I] known interactions of each item
    history: Ragged | None = None  # U rows: the items each user has met, oldest first
    categories: Ragged | None = None  # I rows: the categories of each item; none where they are not known
    vectors: Tensor | None = None  # [I, D] the model's item vectors
    standing: Standing | None = None
    cold: Ranking | None = None  # the same among the items alone that nobody has met
