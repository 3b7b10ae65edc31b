"""Training that goes wrong without failing: vectors that collapse, one loss term that drowns the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Generator, Tensor, nn

from recsys_cl.core.protocols import Method, Tracker
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.spectrum import effective_rank
from recsys_cl.ops.uniformity import uniformity

S = TypeVar("S")
_log = logging.getLogger(__name__)

DOMINANT = 0.99
"""A larger share of the gradient than this, and the other terms decide nothing."""
LASTING = 3
"""Epochs in a row after which that is no accident of one batch."""
FEWEST = 2.0
"""Effective dimensions below which vectors have collapsed; at one, all rankings are the same."""
FLATTEST = -0.05
"""Uniformity above which all directions are one; 0 when they are equal, about -4 when spread."""
COMPARED = 1 << 28
"""Gradients are compared where those of all terms together have no more numbers than this, 1 GiB."""
SAMPLE = 1_000
"""Rows of a side that are looked at."""


class Symptoms(Generic[S]):
    """A method and a tracker in one: what passes through is unchanged, and what it says of the training's health is logged.

    In the first step of an epoch the gradient of each term is measured by itself: ``gradient/TERM`` is its norm's share of
    the sum of norms, so that terms are compared by what they do and not by how large they are. ``conflict/A/B`` is the cosine
    of two terms' gradients: below zero they undo each other (Yu et al., 2020, arXiv:2001.06782). After a validation
    ``effective_rank/users`` and ``uniformity/users``, and the same of items, are measured on sampled rows. A term that
    dominates, or a side that has collapsed, is warned of once.

    Args:
        method: what is trained.
        track: told everything, and these metrics too.
        encode: vectors of some users and of the catalogue, by the present weights.
        penalties: names of terms that are small by intention; they are measured and never compared.
        label: whose training this is, for the warnings.
    """

    def __init__(
        self,
        method: Method[S],
        track: Tracker,
        encode: Callable[[], Encoding],
        penalties: Collection[str] = (),
        label: str = "training",
    ) -> None:
        self._method, self._track, self._encode = method, track, encode
        self._penalties, self._label = frozenset(penalties), label
        self._measured: _Gradients | None = None  # of this epoch
        self._lasted: dict[str, int] = {}  # epochs in a row that a term has dominated
        self._warned: set[str] = set()

    def losses(self, batch: Batch[Any], rng: Generator) -> dict[str, Tensor]:
        """The method's own terms."""
        terms = self._method.losses(batch, rng)
        if self._measured is None and len(terms) > 1:
            self._measured = _gradients(terms, self.module)
        return terms

    def encode(self, source: S, users: Tensor) -> Encoding:
        """Exactly the method's vectors."""
        return self._method.encode(source, users)

    @property
    def module(self) -> nn.Module:
        """The method's module, so that its weights keep their names."""
        return self._method.module

    def note(self, values: Mapping[str, str]) -> None:
        """Pass facts on."""
        self._track.note(values)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Pass an epoch's numbers on, with what was seen of its health; warn where there is cause."""
        seen = self._domination(step, self._measured) if self._measured else {}
        self._measured = None
        if step and any(name.startswith("valid/") for name in metrics):
            seen |= self._collapse(step)
        self._track.log({**metrics, **seen}, step)

    def _domination(self, step: int, measured: _Gradients) -> dict[str, float]:
        norms = {name: float(norm) for name, norm in measured.norms.items()}
        total = sum(norms.values()) or 1.0
        compared = {name: norm for name, norm in norms.items() if name not in self._penalties}
        most = max(compared, key=compared.__getitem__, default="")
        lasts = len(compared) > 1 and compared[most] > DOMINANT * sum(compared.values())
        self._lasted = {most: self._lasted.get(most, 0) + 1} if lasts else {}
        if self._lasted.get(most, 0) >= LASTING:
            share = compared[most] / sum(compared.values())
            self._warn(
                most,
                f"epoch {step}: loss term '{most}' makes {share:.2%} of the gradient, the other terms decide nothing; "
                f"look at objectives.{most}.weight",
            )
        cosines = {
            f"conflict/{one}/{other}": float(dot) / (norms[one] * norms[other])
            for (one, other), dot in measured.dots.items()
            if norms[one] * norms[other] > 0
        }
        return {f"gradient/{name}": norm / total for name, norm in norms.items()} | cosines

    def _collapse(self, step: int) -> dict[str, float]:
        encoding = self._encode()
        seen: dict[str, float] = {}
        for side, rows in (("users", encoding.users), ("items", encoding.items)):
            some = rows[:: max(len(rows) // SAMPLE, 1)].detach().float().cpu()
            rank, spread = effective_rank(some), float(uniformity(some))
            seen |= {f"effective_rank/{side}": rank, f"uniformity/{side}": spread}
            if min(some.shape) > FEWEST and (rank < FEWEST or spread > FLATTEST):
                self._warn(
                    side,
                    f"epoch {step}: the vectors of {side} have collapsed: {rank:.1f} effective dimensions of {some.shape[1]}, "
                    f"uniformity {spread:.2f}; look at the contrastive objectives' weights and temperatures",
                )
        return seen

    def _warn(self, what: str, message: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            _log.warning("%s: %s", self._label, message)


class _Gradients(NamedTuple):
    """Of each term: scalars that nobody has waited for."""

    norms: dict[str, Tensor]
    dots: dict[tuple[str, str], Tensor]  # of two terms' gradients


def _gradients(terms: Mapping[str, Tensor], module: nn.Module) -> _Gradients:
    """What each term alone would do to the weights; the graph stays for the loop's backward."""
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    alike = len(terms) * sum(weight.numel() for weight in weights) <= COMPARED
    norms, dots, before = {}, dict[tuple[str, str], Tensor](), dict[str, Sequence[Tensor | None]]()
    for name, term in terms.items():
        given = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True) if term.requires_grad else ()
        parts = [None if part is None else part.detach() for part in given]
        zero = term.detach().new_zeros(())
        norms[name] = sum((part.square().sum() for part in parts if part is not None), start=zero).sqrt()
        if alike:
            dots |= {(other, name): _dot(theirs, parts, zero) for other, theirs in before.items()}
            before[name] = parts
    return _Gradients(norms, dots)


def _dot(ones: Sequence[Tensor | None], others: Sequence[Tensor | None], zero: Tensor) -> Tensor:
    both = zip(ones, others, strict=False)  # a term without gradient has no parts
    return sum(((a * b).sum() for a, b in both if a is not None and b is not None), start=zero)
