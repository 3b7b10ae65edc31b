"""Items beside the items most like them in content: a graph that is made once, by blocks, and never learned."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_cl.core.values import Modality, Ragged
from recsys_cl.ops.adjacency import Rows
from recsys_cl.ops.topk import top_k

BUDGET = 2**28
"""Bytes of working memory beside the vectors and the answer."""


def most_alike(modality: Modality, neighbours: int, budget: int = BUDGET) -> tuple[Tensor, Tensor]:
    """For each item that has the modality the others of largest cosine, as pairs (item [E], neighbour [E]).

    Exact, by blocks inside ``budget``: no items x items matrix is ever held. Of equal cosines the smaller id comes first.

    Args:
        modality: whose vectors [I, D] are compared; items without one are in no pair.
        neighbours: of each item; fewer where there are fewer others.
        budget: bytes.
    """
    ids = modality.present.nonzero().flatten()
    unit = normalize(modality.values[ids].float(), dim=-1)
    count = min(neighbours, len(ids) - 1)
    if count < 1:
        return ids[:0], ids[:0]
    each = torch.arange(len(ids), device=ids.device)
    itself = Ragged(each, torch.arange(len(ids) + 1, device=ids.device))
    found = top_k(unit, unit, count, itself, budget, "the item graph").items
    return ids.repeat_interleave(count), ids[found.flatten()]


def item_graph(modalities: Iterable[Modality], neighbours: int) -> Rows:
    """The mean over an item's modalities of the mean over its neighbours there, as a matrix of I rows; none: an empty row.

    Zhou and Shen, 2023, FREEDOM, arXiv:2211.06924, equations 1 to 4: edges of one weight, each modality normalised, then
    combined; here in equal parts over the modalities that an item has.
    """
    known = list(modalities)
    items = len(known[0].present)
    pairs = [most_alike(modality, neighbours) for modality in known]
    degrees = [torch.bincount(rows, minlength=items) for rows, _ in pairs]
    having = torch.stack([degree > 0 for degree in degrees]).sum(0)
    keys = torch.cat([rows * items + columns for rows, columns in pairs])
    weights = torch.cat([1 / (degree * having)[rows] for degree, (rows, _) in zip(degrees, pairs, strict=True)])
    edges, place = torch.unique(keys, return_inverse=True)
    summed = torch.zeros(len(edges), device=edges.device).index_add_(0, place, weights)
    starts = torch.zeros(items + 1, dtype=torch.int64, device=edges.device)
    torch.cumsum(torch.bincount(edges // items, minlength=items), 0, out=starts[1:])
    return Rows(starts, edges % items, summed)
