"""The ranking of the items alone that nobody has met, for the metrics that ask how well they are told apart."""

from __future__ import annotations

from dataclasses import replace

import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Ragged, Ranking
from recsys_cl.evaluation.candidates import Candidates
from recsys_cl.evaluation.held_out import HeldOut
from recsys_cl.evaluation.rank import rank
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
        Refused: every item of the catalogue was met.
    """
    met = held_out.popularity > 0
    new = Candidates((~met).nonzero().flatten(), len(met), "nobody met before")
    if not len(new.items):
        raise Refused(
            "evaluation.metrics: every item of the catalogue was met, so none is cold; "
            'prepare.cold_items = "features" lets in those of the item table that have content'
        )
    places = new.places
    places[-1] = len(new.items)  # outside the vocabulary: cold, and a miss
    place = places[held_out.truth.values]
    cold, rows = place >= 0, owners(held_out.truth.lengths)
    truth = Ragged.group(rows[cold], place[cold], len(held_out.truth))
    ranking, _ = rank(new.of(encoding), truth, None, k, budget, model)
    return replace(ranking, items=torch.where(ranking.items < 0, -1, new.items[ranking.items.clamp(min=0)]))
