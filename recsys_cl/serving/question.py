"""What a client may ask: every limit is checked here, before a model is touched."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.serving.answer import DEFAULT_K, id_text, valid_k


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
    """Distinct ids in the order asked, and how many items for each."""

    ids: tuple[str, ...]
    k: int


def read_question(body: bytes, name: str, limits: Limits) -> Question:
    """The question in a JSON body ``{"<name>s": ["…", …], "k": 10}``, where ``name`` is ``user_id`` or ``item_id``.

    Raises:
        Refused: it is no such JSON, or asks for more than ``limits``.
    """
    try:
        asked = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except RecursionError:
        raise Refused("the body is nested too deeply") from None
    except ValueError as error:
        raise Refused(f"the body is not UTF-8 JSON: {str(error)[:80]}") from None
    keys = (f"{name}s", "k")
    if not isinstance(asked, dict):
        raise Refused(f'the body must be an object like {{"{keys[0]}": ["…"], "k": {DEFAULT_K}}}')
    for key in asked:
        if key not in keys:
            raise Refused(f"unknown key '{key[:40]}'; {nearest(key[:40], keys)}")
    ids = asked.get(keys[0])
    if not isinstance(ids, list):
        raise Refused(f"'{keys[0]}' must be a list of ids")
    return make_question(ids, asked.get("k", DEFAULT_K), name, limits)


def make_question(ids: Iterable[Any], k: object, name: str, limits: Limits) -> Question:
    """A question within ``limits``.

    Raises:
        Refused: it is not; the message names the limit.
    """
    asked = list(ids)
    if not 1 <= len(asked) <= limits.ids:
        raise Refused(f"1 to {limits.ids} {name}s can be asked for at once, not {len(asked)}")
    number = valid_k(k, limits.k, "the limit of this service")
    if len(asked) * number > limits.rows:
        raise Refused(f"{len(asked)} ids x {number} items are more than {limits.rows} rows at once; ask in parts")
    return Question(tuple(dict.fromkeys(_text(each, name) for each in asked)), number)


def _text(value: object, name: str) -> str:
    text = id_text(value, name)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(f"{name}: a lone surrogate is not text") from None
    return text


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")
