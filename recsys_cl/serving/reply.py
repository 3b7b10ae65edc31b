"""Answers as a client reads them: one entry for each id asked, in order, with its list."""

from __future__ import annotations

from typing import Any

from recsys_cl.serving.answer import PERSONAL, recommend, similar
from recsys_cl.serving.live import Served
from recsys_cl.serving.question import Question


def lists(served: Served, question: Question) -> dict[str, Any]:
    """`recommend` by user: ``{"model", "users": [{"user_id", "source", "items": [{"item_id", "score"}]}]}``.

    A user who has met every item has an empty list.
    """
    table = recommend(served.bundle, question.ids, question.k)
    entries: dict[str, dict[str, Any]] = {user: {"user_id": user, "source": PERSONAL, "items": []} for user in question.ids}
    columns = ("user_id", "item_id", "score", "source")
    for user, item, score, source in zip(*(table[name].to_pylist() for name in columns), strict=True):
        entries[user]["source"] = source
        entries[user]["items"].append({"item_id": item, "score": score})
    return {"model": served.model, "users": list(entries.values())}


def alike(served: Served, question: Question) -> dict[str, Any]:
    """`similar` by item: ``{"model", "items": [{"item_id", "items": [{"item_id", "score"}]}]}``."""
    table = similar(served.bundle, question.ids, question.k)
    entries: dict[str, list[dict[str, Any]]] = {item: [] for item in question.ids}
    columns = ("item_id", "similar_item_id", "score")
    for item, other, score in zip(*(table[name].to_pylist() for name in columns), strict=True):
        entries[item].append({"item_id": other, "score": score})
    return {"model": served.model, "items": [{"item_id": item, "items": found} for item, found in entries.items()]}
