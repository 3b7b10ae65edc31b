"""Answers as a client reads them: one entry for each who asked, in order, with its list."""

from __future__ import annotations

from typing import Any

from recsys_cl.serving.answer import recommend, similar
from recsys_cl.serving.asked import PERSONAL
from recsys_cl.serving.live import Served
from recsys_cl.serving.question import Question


def lists(served: Served, question: Question) -> dict[str, Any]:
    """`recommend`: ``{"model", "users": [{"user_id", "source", "items": [{"item_id", "score"}]}]}``.

    With histories each entry also says how many ``unknown_items`` were skipped. Who has met every item has an empty list.
    """
    given = [None] * len(question.ids) if question.histories is None else question.histories
    table = recommend(served.bundle, question.ids, question.k, given)
    entries: list[dict[str, Any]] = [{"user_id": user, "source": PERSONAL, "items": []} for user in question.ids]
    columns = ("row", "item_id", "score", "source", "unknown_items")
    for row, item, score, source, unknown in zip(*(table[name].to_pylist() for name in columns), strict=True):
        entries[row]["source"] = source
        entries[row]["items"].append({"item_id": item, "score": score})
        if question.histories is not None:
            entries[row]["unknown_items"] = unknown
    return {"model": served.model, "users": entries}


def alike(served: Served, question: Question) -> dict[str, Any]:
    """`similar` by item: ``{"model", "items": [{"item_id", "items": [{"item_id", "score"}]}]}``."""
    table = similar(served.bundle, question.ids, question.k)
    entries: dict[str | None, list[dict[str, Any]]] = {item: [] for item in question.ids}
    columns = ("item_id", "similar_item_id", "score")
    for item, other, score in zip(*(table[name].to_pylist() for name in columns), strict=True):
        entries[item].append({"item_id": other, "score": score})
    return {"model": served.model, "items": [{"item_id": item, "items": found} for item, found in entries.items()]}
