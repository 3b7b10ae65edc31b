"""The ranking of the items alone that nobody has met, for the metrics that ask how well they are told apart."""

from __future__ import annotations

from dataclasses import replace

import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Ragged, Ranking
from recsys_cl.evaluation.held_out import HeldOut
from recsys_cl.evaluation.rank import rank
from recsys_cl.ops.csr import is_sparse
from recsys_cl.ops.ragged import owners


def among_cold(encoding: Encoding, held_out: HeldOut, k: int, budget: int, model: str) -> Ranking:
    """Rank the cold items of the catalogue for the users of ``held_out``; item ids stay those of the catalogue.

    Held out is what is cold; what is outside the vocabulary is so too, and a miss.

    Args:
        encoding: vectors of those users [U, D] and of the catalogue [I, D].
        held_out: the right answers, and how often each item was met before.
        k: length of the lists.
        budget: bytes of working memory.
        model: whose vectors these are, for messages.

    Raises:
        Refused: every item of the catalogue was met, or the vectors are as long as a large catalogue.
    """
    met = held_out.popularity > 0
    new = (~met).nonzero().flatten()
    if not len(new):
        raise Refused(
            "evaluation.metrics: every item of the catalogue was met, so none is cold; "
            'prepare.cold_items = "features" lets in those of the item table that have content'
        )
    if is_sparse(encoding.items):
        raise Refused(
            f"evaluation.metrics: the vectors of {model} have {encoding.users.shape[1]:,} numbers each and know no cold item"
        )
    place = torch.cat((torch.where(met, -1, (~met).cumsum(0) - 1), new.new_tensor([len(new)])))[held_out.truth.values]
    cold, rows = place >= 0, owners(held_out.truth.lengths)
    truth = Ragged.group(rows[cold], place[cold], len(held_out.truth))
    ranking, _ = rank(Encoding(encoding.users, encoding.items[new]), truth, None, k, budget, model)
    return replace(ranking, items=torch.where(ranking.items < 0, -1, new[ranking.items.clamp(min=0)]))
