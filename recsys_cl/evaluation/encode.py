"""A trained method answers for any set of users, whatever its family."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recsys_cl.core.protocols import Feed, FoldsIn, Method
from recsys_cl.core.values import Encoding, Fold
from recsys_cl.ops.csr import is_sparse, stack, take
from recsys_cl.ops.ranks import ALONE, Ranks


@torch.no_grad()
def encode_all(method: Method[Any], feed: Feed[Any], users: Tensor, ranks: Ranks = ALONE) -> Encoding:
    """Vectors of ``users`` [U] (distinct ids, rows in this order) and of the whole catalogue.

    The method is in evaluation mode meanwhile; each of its modules gets its own mode back, also after an error. Where users are
    histories, each of several ``ranks`` reads some of them, and all get all vectors.
    """
    modes = [(module, module.training) for module in method.module.modules()]
    method.module.eval()
    try:
        if ranks.alone or not feed.reads_histories or len(users) < ranks.size:
            return _encode(method, feed, users)
        own = _encode(method, feed, users[ranks.share(len(users))])
        return Encoding(ranks.gather(own.users, ranks.bounds(len(users))), own.items)
    finally:
        for module, training in modes:
            module.training = training


@torch.no_grad()
def fold_in(method: Method[Any], feed: Feed[Any]) -> Fold | None:
    """The rule by which ``method`` knows people it has not met; None where it has none, or reads their histories anyway."""
    if feed.reads_histories or not isinstance(method, FoldsIn):
        return None
    for source, _ in feed.inference(torch.zeros(0, dtype=torch.int64)):
        rule: Fold | None = method.fold_in(source)
        return rule
    return None


def _encode(method: Method[Any], feed: Feed[Any], users: Tensor) -> Encoding:
    row = torch.full((feed.shape.users,), -1, device=users.device)
    row[users] = torch.arange(len(users), device=users.device)
    vectors: Tensor | None = None
    items: Tensor | None = None
    steps: Tensor | None = None
    sparse: list[Tensor] = []
    order: list[Tensor] = []
    for source, served in feed.inference(users):
        part = method.encode(source, served)
        # Items depend on the source only through what is the same in all parts (the graph, the table): once is enough.
        items = part.items if items is None else items
        if is_sparse(part.users):
            sparse.append(part.users)
            order.append(row[served])
            continue
        if vectors is None:
            vectors = part.users.new_empty((len(users), part.users.shape[1]))
        vectors[row[served]] = part.users
        if part.steps is not None:
            steps = torch.zeros_like(users) if steps is None else steps
            steps[row[served]] = part.steps
    if sparse:
        vectors = take(stack(sparse), torch.cat(order).argsort())
    if vectors is None or items is None:
        raise ValueError("nobody to encode")
    return Encoding(vectors, items, steps=steps)
