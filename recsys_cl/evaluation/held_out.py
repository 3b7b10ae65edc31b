"""Who is asked and what would be right: one row per user with something held out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, Ragged


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """The users that are evaluated, row by row with their right answers and with what they have seen before."""

    users: Tensor  # [U] ids, rising; each has at least one held-out item
    truth: Ragged  # U rows of held-out items; an item outside the vocabulary is shape.items
    seen: Ragged | None  # U rows of items that are not to be recommended; None: all may be
    history: Ragged  # U rows of what each has met before, oldest first
    popularity: Tensor  # [I] interactions of each item in the history of all users


def hold_out(truth: Interactions, known: Interactions, *, exclude_seen: bool) -> HeldOut:
    """Pair each user's held-out items with the history before them.

    A known item that a user met twice in ``truth`` counts once. Items outside the vocabulary share one id and cannot be told
    apart, so there each interaction counts. An item of ``truth`` that is also in ``known`` stays among the right answers.

    Raises:
        Refused: nobody in ``truth`` is in the vocabulary.
    """
    users = torch.unique(truth.users)
    if not users.numel():
        raise Refused("no user of the training data has a held-out interaction; nothing can be evaluated")
    right = Ragged.group(*_rows_of(users, _without_repeats(truth)), len(users))
    history = Ragged.group(*_rows_of(users, known), len(users))
    seen = history if exclude_seen else None
    return HeldOut(users, right, seen, history, torch.bincount(known.items, minlength=known.shape.items))


def _without_repeats(interactions: Interactions) -> Interactions:
    pairs = interactions.users * interactions.shape.items + interactions.items
    known = interactions.items < interactions.shape.items
    once = torch.unique(pairs[known])
    users = torch.cat((once // interactions.shape.items, interactions.users[~known]))
    items = torch.cat((once % interactions.shape.items, interactions.items[~known]))
    return Interactions(interactions.shape, users, items, torch.zeros_like(users))


def _rows_of(users: Tensor, interactions: Interactions) -> tuple[Tensor, Tensor]:
    """The interactions of ``users`` [U] only: the row of each in ``users``, and its item."""
    row = torch.full((interactions.shape.users,), -1, device=users.device)
    row[users] = torch.arange(len(users), device=users.device)
    rows = row[interactions.users]
    return rows[rows >= 0], interactions.items[rows >= 0]
