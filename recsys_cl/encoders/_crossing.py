"""What one domain learns of a user from the others: nothing, by a map trained with everything else, or by one fitted after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from recsys_cl.ops.bridge import Bridge, fit_bridge

Kind = Literal["none", "fitted", "learned"]
"""``none``: each domain by itself. ``fitted``: EMCDR's map, fitted to the users two domains share whenever vectors are asked
for outside training. ``learned``: a matrix for every two domains, 0 at first, so that domains without shared users stay apart;
who a domain knows nothing of is a learned vector, so training must hide users from domains (``domain_drop``)."""


class Fitted(NamedTuple):
    """What follows from the vectors as they are."""

    nobody: Tensor  # [D, K] the mean of the users each domain knows: somebody of whom nothing is known
    bridges: Sequence[Sequence[Bridge | None]]  # from each domain to each other


class Crossing(nn.Module):
    """Completes what every domain knows of users.

    Args:
        kind: how.
        domains, dim: how many, and the length of a vector in one.
        ridge: of fitted maps; None: chosen by generalised cross-validation.
        always: let learned maps speak of users whom the domain knows, too.
    """

    def __init__(self, kind: Kind, domains: int, dim: int, *, ridge: float | None = None, always: bool = False) -> None:
        super().__init__()
        self.kind, self.ridge, self.always = kind, ridge, always
        learned = kind == "learned"
        self.nobody = nn.Parameter(torch.zeros(domains, dim)) if learned else None
        self.maps = nn.Parameter(torch.zeros(domains, domains, dim, dim)) if learned else None

    def fit(self, own: Tensor, seen: Tensor) -> Fitted:
        """Means and maps by everybody's ``own`` vectors [D, U, K], where they are ``seen`` [D, U]."""
        domains = range(len(own))
        nobody = torch.stack([own[d][seen[d]].mean(0) if seen[d].any() else own[d].new_zeros(own.shape[2]) for d in domains])
        if self.kind == "none":
            return Fitted(nobody, [[None] * len(own)] * len(own))
        return Fitted(nobody, [[self._bridge(own, seen, begin, end) for end in domains] for begin in domains])

    def _bridge(self, own: Tensor, seen: Tensor, begin: int, end: int) -> Bridge | None:
        both = seen[begin] & seen[end]
        return fit_bridge(own[begin, both], own[end, both], self.ridge) if begin != end and both.any() else None

    def forward(self, own: Tensor, seen: Tensor, fitted: Fitted | None = None) -> Tensor:
        """A vector for every domain and user, [D, Q, K], from their ``own`` where they are ``seen`` [D, Q].

        Without ``fitted`` and learned maps, which only training may do, a domain says 0 of whom it does not know.
        """
        known = seen[..., None]
        if self.maps is not None and self.nobody is not None:
            told = self._told(own, seen, self.maps)
            return own.where(known, self.nobody[:, None].to(own.dtype)) + (told if self.always else told.masked_fill(known, 0))
        if fitted is None:
            return own.where(known, 0)
        return own.where(known, torch.stack([self._carried(own, seen, fitted, end) for end in range(len(own))]))

    @staticmethod
    def _told(own: Tensor, seen: Tensor, maps: Tensor) -> Tensor:
        """The mean of what the other domains say, [D, Q, K]; 0 where none knows the user."""
        others = 1 - torch.eye(len(own), dtype=own.dtype, device=own.device)
        said = torch.einsum("eqk,edkl->dql", own * seen[..., None], maps * others[..., None, None])
        return said / (others @ seen.to(own.dtype)).clamp_min(1)[..., None]

    @staticmethod
    def _carried(own: Tensor, seen: Tensor, fitted: Fitted, end: int) -> Tensor:
        """The mean of where maps carry users into domain ``end``, [Q, K]; nobody in particular where none does."""
        total, count = torch.zeros_like(own[end]), torch.zeros_like(own[end][:, :1])
        for begin, row in enumerate(fitted.bridges):
            if (bridge := row[end]) is not None:
                there = seen[begin, :, None]
                total, count = total + bridge(own[begin]) * there, count + there
        return torch.where(count > 0, total / count.clamp_min(1), fitted.nobody[end])
