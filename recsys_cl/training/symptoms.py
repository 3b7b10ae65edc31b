"""Training that goes wrong without failing: vectors that collapse, one loss term that drowns the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar

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
SAMPLE = 1_000
"""Rows of a side that are looked at."""


class Symptoms(Generic[S]):
    """A method and a tracker in one: what passes through is unchanged, and what it says of the training's health is logged.

    In the first step of an epoch the gradient of each term is measured by itself: ``gradient/TERM`` is its norm's share of
    the sum of norms, so that terms are compared by what they do and not by how large they are. After a validation
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
        self._shares: dict[str, Tensor] | None = None  # of this epoch; None: not measured yet
        self._lasted: dict[str, int] = {}  # epochs in a row that a term has dominated
        self._warned: set[str] = set()

    def losses(self, batch: Batch[Any], rng: Generator) -> dict[str, Tensor]:
        """The method's own terms."""
        terms = self._method.losses(batch, rng)
        if self._shares is None and len(terms) > 1:
            self._shares = _norms(terms, self.module)
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
        seen = self._domination(step) if self._shares else {}
        self._shares = None
        if step and any(name.startswith("valid/") for name in metrics):
            seen |= self._collapse(step)
        self._track.log({**metrics, **seen}, step)

    def _domination(self, step: int) -> dict[str, float]:
        norms = {name: float(norm) for name, norm in (self._shares or {}).items()}
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
        return {f"gradient/{name}": norm / total for name, norm in norms.items()}

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


def _norms(terms: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """The norm of each term's own gradient, scalars; the graph stays for the loop's backward."""
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    norms = {}
    for name, term in terms.items():
        parts = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True) if term.requires_grad else ()
        lengths = [part.detach().norm() for part in parts if part is not None]
        norms[name] = torch.stack(lengths).norm() if lengths else term.new_zeros(())
    return norms
