"""What a client may ask: every limit is checked here, before a model is touched."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.serving.answer import DEFAULT_K, valid_k
from recsys_cl.serving.asked import id_text


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one request may want; ids are never longer than ingestion takes them."""

    ids: int = 1000
    k: int = 1000
    rows: int = 100_000  # ids x k
    body: int = 2 * 2**20  # bytes: a full list of the longest ids
    seconds: float = 10.0  # for a body to arrive


@dataclass(frozen=True, slots=True)
class Question:
    """Distinct ids in the order asked, or people with histories, and how many items for each."""

    ids: tuple[str | None, ...]
    k: int
    histories: tuple[Any, ...] | None = None  # of /recommend: for each id the items met, or None


def read_question(body: bytes, name: str, limits: Limits) -> Question:
    """The question in a JSON body ``{"<name>s": ["…", …], "k": 10}``, where ``name`` is ``user_id`` or ``item_id``.

    People may also, or instead, have ``"histories": [["<item_id>", …] or null, …]``, oldest first.

    Raises:
        Refused: it is no such JSON, or asks for more than ``limits``.
    """
    try:
        asked = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except RecursionError:
        raise Refused("the body is nested too deeply") from None
    except ValueError as error:
        raise Refused(f"the body is not UTF-8 JSON: {str(error)[:80]}") from None
    keys = (f"{name}s", "k", *(("histories",) if name == "user_id" else ()))
    if not isinstance(asked, dict):
        raise Refused(f'the body must be an object like {{"{keys[0]}": ["…"], "k": {DEFAULT_K}}}')
    for key in asked:
        if key not in keys:
            raise Refused(f"unknown key '{key[:40]}'; {nearest(key[:40], keys)}")
    ids = asked.get(keys[0])
    if "histories" in asked:
        return _with_histories(ids, asked["histories"], asked.get("k", DEFAULT_K), limits)
    if not isinstance(ids, list):
        raise Refused(f"'{keys[0]}' must be a list of ids")
    return make_question(ids, asked.get("k", DEFAULT_K), name, limits)


def make_question(ids: Iterable[Any], k: object, name: str, limits: Limits) -> Question:
    """A question within ``limits``.

    Raises:
        Refused: it is not; the message names the limit.
    """
    asked = list(ids)
    number = _bounded(len(asked), k, f"{name}s", limits)
    return Question(tuple(dict.fromkeys(_text(each, name) for each in asked)), number)


def _with_histories(ids: object, histories: object, k: object, limits: Limits) -> Question:
    """People one by one, repeats included: two with one id may have met different things."""
    if not isinstance(histories, list) or not all(each is None or isinstance(each, list) for each in histories):
        raise Refused("'histories' must be a list with a list of item ids, or null, for each who asks")
    if ids is not None and (not isinstance(ids, list) or len(ids) != len(histories)):
        raise Refused("'user_ids' beside 'histories' must be a list of the same length, with an id or null for each")
    number = _bounded(len(histories), k, "histories", limits)
    people = [None] * len(histories) if ids is None else [None if each is None else _text(each, "user_id") for each in ids]
    read = [None if each is None else tuple(_text(item, "item_id") for item in each) for each in histories]
    return Question(tuple(people), number, tuple(read))


def _bounded(count: int, k: object, what: str, limits: Limits) -> int:
    if not 1 <= count <= limits.ids:
        raise Refused(f"1 to {limits.ids} {what} can be asked for at once, not {count}")
    number = valid_k(k, limits.k, "the limit of this service")
    if count * number > limits.rows:
        raise Refused(f"{count} {what} x {number} items are more than {limits.rows} rows at once; ask in parts")
    return number


def _text(value: object, name: str) -> str:
    text = id_text(value, name)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(f"{name}: a lone surrogate is not text") from None
    return text


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")
