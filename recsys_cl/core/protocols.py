"""The verbs: one Protocol per slot. A component implements one by shape; nobody inherits from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:  # torch is slow to import, and stages without a model share this file
    from torch import Generator, Tensor, nn

    from recsys_cl.core.values import Batch, Encoding, Fold, ItemFeatures, Ragged, Ranking, Shape

GRADIENT = "gradient"
"""Name under which training counts the norm of the gradient beside the terms of a loss."""

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
S_contra = TypeVar("S_contra", contravariant=True)


class Encoder(Protocol[S_contra]):
    """Sources in, vectors out; an ``nn.Module``.

    It is given the plain source and its views together so that it can share work between them, and answers with
    one Encoding per source. Only the rows asked for are returned; ``items=None`` asks for the whole catalogue.
    """

    dim: int  # length of its vectors

    def __call__(self, sources: Sequence[S_contra], users: Tensor, items: Tensor | None = None) -> Sequence[Encoding]:
        """Encode ``users`` [U] and ``items`` [M] under each source."""
        ...


class View(Protocol[S]):
    """An augmentation: an altered source of the same type. Never edits its input; all chance comes from ``rng``."""

    def __call__(self, source: S, rng: Generator) -> S:
        """Return one random view of ``source``."""
        ...


class Objective(Protocol):
    """A scalar to minimise. ``views`` is how many augmented encodings it reads (the first so many of the recipe's).

    One that reads layers or parts of encodings says which, ``reads_layers``, numbers and names; one that cannot do without
    negatives drawn for each query how many at least, ``reads_negatives``: a recipe without them is refused before data is read.
    One that also says ``everyone = True`` finds all users and items in ``Encoding.everyone`` of all it reads.
    One that says ``mean_of_queries = True`` is a mean over the batch's queries, each of which depends on no other one: several
    processes may take some each. One that says ``contrasts_rows = True`` reads the batch's distinct rows and no queries.
    """

    views: int

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Mean loss of the batch, a scalar tensor."""
        ...


class NegativeSampler(Protocol):
    """Items the users have not met.

    Shared negatives ([K], one draw for the whole batch) come from a sampler built with ``shared = true``. One that says how
    many it draws, ``negatives``, is asked for no more by a recipe that is checked.
    """

    def __call__(self, users: Tensor, rng: Generator) -> Tensor:
        """Draw for ``users`` [B]: item ids [B, K], or [K] when shared."""
        ...

    def log_q(self, items: Tensor) -> Tensor:
        """Log-probability of drawing each of ``items`` [M] in one draw, [M]."""
        ...


@runtime_checkable
class DrawsWithin(Protocol):
    """What a sampler is that can draw from a part of the catalogue."""

    shared: bool  # one draw is for the whole batch

    def within(self, inside: Tensor) -> NegativeSampler:
        """The same sampler among the items ``inside`` [I] bool alone, in the same proportions."""
        ...


class Feed(Protocol[S_co]):
    """Turns interactions into sources and batches; one per family. Lives on the device of its interactions."""

    shape: Shape
    steps: int  # batches in one epoch
    reads_histories: bool  # its users are their histories and nothing else: a model can serve people it has not met

    def training(self, rng: Generator) -> Iterator[Batch[Any]]:
        """One epoch of batches, in an order drawn from ``rng``."""
        ...

    def inference(self, users: Tensor) -> Iterator[tuple[S_co, Tensor]]:
        """Plain sources that together cover ``users`` [U] exactly once, each with the user ids [b] it serves."""
        ...


class Method(Protocol[S_contra]):
    """How a batch becomes losses: the training dynamics. An ``nn.Module``.

    One with loss terms of its own says their names, ``terms``, so that no objective is called alike.
    """

    def losses(self, batch: Batch[Any], rng: Generator) -> dict[str, Tensor]:
        """Weighted loss terms by name; their sum is what to minimise."""
        ...

    def encode(self, source: S_contra, users: Tensor) -> Encoding:
        """Vectors for recommending: ``users`` [U] against the whole catalogue; the score is their dot product."""
        ...

    @property
    def module(self) -> nn.Module:
        """What holds the parameters and the state to save."""
        ...


@runtime_checkable
class FoldsIn(Protocol[S_contra]):
    """What an encoder or a method may do besides: know people it has not met by what they met."""

    def fold_in(self, source: S_contra) -> Fold | None:
        """The rule under ``source``; None where this one has none."""
        ...


@runtime_checkable
class Divisible(Protocol):
    """A source whose rows an encoder reads each for itself, so that several processes can read some each."""

    def part(self, index: int, count: int) -> tuple[Divisible, list[int]] | None:
        """Part ``index`` of ``count``, and where each part's rows of ``Encoding.users`` begin, and the end, [count + 1].

        None where there are fewer rows than parts.
        """
        ...


class Tasks(Protocol):
    """A source of T tasks of one size: n items each to learn from, and q to be asked for where they are known."""

    @property
    def support(self) -> Tensor:
        """Item ids [T, n]."""
        ...

    @property
    def query(self) -> Tensor:
        """Item ids [T, q]."""
        ...

    @property
    def about(self) -> ItemFeatures | None:
        """What else is known of whoever each task is, T rows."""
        ...

    @property
    def tokens(self) -> Tensor:
        """What is read, [T, L]; place t asks for item t of support and query, or for what nobody knows yet."""
        ...

    def rows(self, tokens: Tensor) -> Any:
        """What an encoder reads of histories [R, L], read out at every place, [R * L]."""
        ...


@runtime_checkable
class AnswersAreTasks(Protocol):
    """A source in which items are what is adapted, and users ask for them as they are."""

    @property
    def blocks(self) -> Sequence[Tasks]:
        """All tasks, those with supports of one size together."""
        ...

    @property
    def tasks(self) -> Ragged:
        """The tasks that each item is, I rows: places in all blocks one after another."""
        ...


@runtime_checkable
class KnowsContent(Protocol):
    """What an encoder or a method may do besides: know items that nobody met by their content alone."""

    def by_content(self, features: ItemFeatures) -> Tensor:
        """Vectors [N, D] of N items; each depends on its own content only."""
        ...


@runtime_checkable
class Shardable(Protocol):
    """What an encoder may say besides: which of its parameters are tables that several processes may keep some rows each of.

    It reads them through `ops.sharded` alone.
    """

    tables: ClassVar[tuple[str, ...]]


class Metric(Protocol):
    """One value per user; means, intervals and tests come later. ``name`` is like ``recall@20``."""

    name: str
    k: int  # how much of each list it reads; 0: none of it
    convention: str  # denominator, discount and the like in one line; logged beside the values
    reads: tuple[str, ...]  # the optional fields of a Ranking that it needs
    larger_is_better: bool | None  # None: undecided, more of it may be either; only where it is True is anything chosen by it

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64."""
        ...


class Tracker(Protocol):
    """Where a run's story goes: JSON lines, MLflow, or both."""

    def note(self, values: Mapping[str, str]) -> None:
        """Facts about the run (settings, digests), once."""
        ...

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Numbers at a step (an epoch); names like ``loss/bpr`` and ``valid/recall@20``."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One stage's errand: what it may read, where it writes, and the fingerprint its result will be known by."""

    reads: Mapping[str, Path]
    scratch: Path
    fingerprint: str
    outside: Mapping[str, str] | None = None  # what the stage said of it for the fingerprint; None: there is none to keep to

    def out(self, name: str) -> Path:
        """Where to write the artifact ``name`` (a file or a folder; its parent exists). All else in ``scratch`` is not kept."""
        folder = self.scratch / "out"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name.replace("/", "-")


class Stage(Protocol):
    """A step of the pipeline. Opens artifacts; pure in its reads, settings and outside inputs."""

    @property
    def name(self) -> str:
        """Such as ``ingest`` or ``train/xsimgcl``."""
        ...

    @property
    def version(self) -> int:
        """Raised when the meaning of the result changes."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the artifacts it is given."""
        ...

    @property
    def writes(self) -> tuple[str, ...]:
        """Names of the artifacts it makes."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """All else that decides the result; JSON-able."""
        ...

    def outside(self) -> Mapping[str, str]:
        """Digests of what is read from outside the store (log files), by name."""
        ...

    def run(self, job: Job) -> Mapping[str, float]:
        """Write every artifact of ``writes`` to ``job.out(name)``; return counts for the receipt."""
        ...


@runtime_checkable
class ActsOutside(Protocol):
    """What a stage is, besides, that acts where others act, too: its result tells of an act, and not of what is so now."""

    def stands(self, made: Mapping[str, Path]) -> bool:
        """Whether what was done is still so, by the artifacts ``made`` then; if not, the stage runs again. A cheap question."""
        ...
