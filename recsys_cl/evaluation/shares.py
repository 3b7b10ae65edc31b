"""Several processes rank some users each, and all learn the whole result, users in their order."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Encoding, Ragged, Ranking, Shape, Standing
from recsys_cl.evaluation.held_out import HeldOut
from recsys_cl.evaluation.rank import rank
from recsys_cl.ops.csr import take
from recsys_cl.ops.ragged import owners
from recsys_cl.ops.ranks import Ranks
from recsys_cl.ops.standing import standing


def rank_shares(encoding: Encoding, held_out: HeldOut, k: int, budget: int, model: str, ranks: Ranks) -> tuple[Ranking, Tensor]:
    """``rank`` of all users of ``held_out``, of which this process computes its share; bytes as from one process."""
    if ranks.alone:
        return rank(encoding, held_out.truth, held_out.seen, k, budget, model, held_out.popularity)
    asking, truth, seen = _share(encoding, held_out, ranks)
    own, scores = rank(asking, truth, seen, k, budget, model)
    bounds, shape = ranks.bounds(len(encoding.users)), Shape(len(encoding.users), len(encoding.items))
    items, hits = ranks.gather(own.items, bounds), ranks.gather(own.hits, bounds)
    return Ranking(items, hits, held_out.truth.lengths, shape, held_out.popularity), ranks.gather(scores, bounds)


def stand_shares(encoding: Encoding, held_out: HeldOut, budget: int, model: str, ranks: Ranks) -> Standing:
    """``standing`` of all held-out items, of which this process counts those of its users."""
    if ranks.alone:
        return standing(encoding.users, encoding.items, held_out.truth, held_out.seen, budget, model)
    own = standing(*_split(_share(encoding, held_out, ranks)), budget, model)
    truth = held_out.truth
    users = ranks.bounds(len(encoding.users))
    pairs = truth.offsets[torch.tensor(users, device=truth.offsets.device)].tolist()
    above, tied, offered = (ranks.gather(part, pairs) for part in (own.above, own.tied, own.offered))
    return Standing(owners(truth.lengths, len(truth.values)), above, tied, offered, ranks.gather(own.negatives, users))


def _share(encoding: Encoding, held_out: HeldOut, ranks: Ranks) -> tuple[Encoding, Ragged, Ragged | None]:
    own = ranks.share(len(encoding.users))
    rows = torch.arange(own.start, own.stop, device=held_out.users.device)
    seen = None if held_out.seen is None else held_out.seen.part(own)
    return Encoding(take(encoding.users, rows), encoding.items), held_out.truth.part(own), seen


def _split(share: tuple[Encoding, Ragged, Ragged | None]) -> tuple[Tensor, Tensor, Ragged, Ragged | None]:
    asking, truth, seen = share
    return asking.users, asking.items, truth, seen
