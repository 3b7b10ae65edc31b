"""Answers as a client reads them: one entry for each who asked, in order, with its list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from recsys_cl.serving.answer import similar, valid_k
from recsys_cl.serving.asked import SOURCES, Asked, ask
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.filters import NO_FILTERS, Choice, Filters
from recsys_cl.serving.live import Served
from recsys_cl.serving.question import Question
from recsys_cl.serving.ranking import best
from recsys_cl.serving.rules import known_items
from recsys_cl.serving.within import within

Entry = dict[str, Any]


def lists(served: Served, questions: Sequence[Question]) -> list[Entry]:
    """`recommend`, for each question: ``{"model", "users": [{"user_id", "source", "items": [{"item_id", "score"}]}]}``.

    With histories each entry also says how many ``unknown_items`` were skipped, and how many ``steps`` it took to adapt
    to it, where the model does so. Who has met every item has an empty list.
    Several questions are answered as one: a shorter list is the beginning of a longer one.

    Raises:
        Refused: one of them cannot be answered, or one with rules of its own is not alone.
    """
    bundle = _budgeted(served.bundle, questions)
    k = max(valid_k(question.k, len(bundle.item_ids)) for question in questions)
    people = [user for question in questions for user in question.ids]
    pasts = [past for question in questions for past in question.histories or [None] * len(question.ids)]
    asked = ask(bundle, people, pasts if any(past is not None for past in pasts) else None)
    top = best(bundle, asked, k, _filters(bundle, questions))
    rows = zip(asked.ids, asked.source.tolist(), top.items.tolist(), top.scores.tolist(), strict=True)
    names = iter(bundle.item_ids.take(_array(top.items[top.items >= 0])).to_pylist())
    entries = (_entry(user, source, items, scores, names) for user, source, items, scores in rows)
    told = iter(_told(asked))
    return [{"model": served.model, "users": _cut(question, entries, told)} for question in questions]


def alike(served: Served, questions: Sequence[Question]) -> list[Entry]:
    """`similar`, for each question: ``{"model", "items": [{"item_id", "items": [{"item_id", "score"}]}]}``."""
    return [_alike(served, question) for question in questions]


def _entry(user: str | None, source: int, items: list[int], scores: list[float], names: Iterator[str]) -> Entry:
    count = sum(item >= 0 for item in items)
    best = [{"item_id": name, "score": score} for name, score in zip(islice(names, count), scores, strict=False)]
    return {"user_id": user, "source": SOURCES[source], "items": best}


def _told(asked: Asked) -> list[Entry]:
    """What is said of each history."""
    unknown = [0] * len(asked.ids) if asked.unknown is None else asked.unknown.tolist()
    if asked.steps is None:
        return [{"unknown_items": skipped} for skipped in unknown]
    return [{"unknown_items": skipped, "steps": took} for skipped, took in zip(unknown, asked.steps.tolist(), strict=True)]


def _cut(question: Question, entries: Iterator[Entry], told: Iterator[Entry]) -> list[Entry]:
    """The entries of one question, its lists as long as it asked."""
    mine = []
    for entry, said in zip(islice(entries, len(question.ids)), islice(told, len(question.ids)), strict=True):
        entry["items"] = entry["items"][: question.k]
        mine.append(entry if question.histories is None else {**entry, **said})
    return mine


def _filters(bundle: Bundle, questions: Sequence[Question]) -> Filters:
    """The rules of the only question; items that the model does not know are never recommended anyway."""
    if not any(question.ruled for question in questions):
        return NO_FILTERS
    (question,) = questions
    allowed = None if question.allowed is None else known_items(bundle, question.allowed, None)
    return Filters(Choice(allowed, known_items(bundle, question.blocked, None)))


def _budgeted(bundle: Bundle, questions: Sequence[Question]) -> Bundle:
    """The model within the budget of the only question, if that has one."""
    budgets = [question.steps for question in questions if question.steps is not None]
    return within(bundle, *budgets) if budgets else bundle


def _array(items: Any) -> Any:
    import pyarrow

    return pyarrow.array(items.numpy())


def _alike(served: Served, question: Question) -> Entry:
    table = similar(served.bundle, question.ids, question.k)
    entries: dict[str | None, list[Entry]] = {item: [] for item in question.ids}
    columns = ("item_id", "similar_item_id", "score")
    for item, other, score in zip(*(table[name].to_pylist() for name in columns), strict=True):
        entries[item].append({"item_id": other, "score": score})
    return {"model": served.model, "items": [{"item_id": item, "items": found} for item, found in entries.items()]}
