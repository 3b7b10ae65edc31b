"""What a client may ask: every limit is checked here, before a model is touched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, NoReturn

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.serving.answer import DEFAULT_K, valid_k
from recsys_cl.serving.asked import id_text

MOST_STEPS = 1000
"""The largest budget that is read; a model never takes more steps than its own number."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one request may want; ids are never longer than ingestion takes them."""

    ids: int = 1000
    k: int = 1000
    rows: int = 100_000  # ids x k
    rules: int = 10_000  # items allowed, and items blocked
    body: int = 2 * 2**20  # bytes: a full list of the longest ids
    seconds: float = 10.0  # for a body to arrive


@dataclass(frozen=True, slots=True)
class Question:
    """Distinct ids in the order asked, or people with histories, and how many items for each."""

    ids: tuple[str | None, ...]
    k: int
    histories: tuple[Any, ...] | None = None  # of /recommend: for each id the items met, or None
    allowed: tuple[str, ...] | None = None  # of /recommend: nothing else is recommended; None: everything may be
    blocked: tuple[str, ...] = ()  # of /recommend: never recommended
    steps: int | None = None  # of /recommend: the budget to adapt to histories within; None: the model's own

    @property
    def ruled(self) -> bool:
        """It has rules or a budget of its own, so that it cannot be answered with others."""
        return self.allowed is not None or bool(self.blocked) or self.steps is not None


def read_question(body: bytes, name: str, limits: Limits) -> Question:
    """The question in a JSON body ``{"<name>s": ["…", …], "k": 10}``, where ``name`` is ``user_id`` or ``item_id``.

    People may also, or instead, have ``"histories": [["<item_id>", …] or null, …]``, oldest first, and their lists may have
    rules: ``"allowed": ["<item_id>", …]`` and ``"blocked": ["<item_id>", …]``. ``"steps"`` is the budget within which a model
    that adapts to histories does so.

    Raises:
        Refused: it is no such JSON, or asks for more than ``limits``.
    """
    try:
        asked = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except RecursionError:
        raise Refused("the body is nested too deeply") from None
    except ValueError as error:
        raise Refused(f"the body is not UTF-8 JSON: {str(error)[:80]}") from None
    if not isinstance(asked, dict):
        raise Refused(f'the body must be an object like {{"{name}s": ["…"], "k": {DEFAULT_K}}}')
    _only_known(asked, (f"{name}s", "k", *(("histories", "allowed", "blocked", "steps") if name == "user_id" else ())), "key")
    ids, k = asked.get(f"{name}s"), asked.get("k", DEFAULT_K)
    if "histories" in asked:
        question = _with_histories(ids, asked["histories"], k, limits)
    elif isinstance(ids, list):
        question = make_question(ids, k, name, limits)
    else:
        raise Refused(f"'{name}s' must be a list of ids")
    return _with_rules(question, asked, limits)


def read_query(pairs: Iterable[tuple[str, str]], name: str, limits: Limits) -> Question:
    """The question in a query string ``<name>=…&<name>=…&k=10``.

    Raises:
        Refused: as `read_question`.
    """
    given = list(pairs)
    _only_known(dict(given), (name, "k"), "parameter")
    ids = [value for key, value in given if key == name]
    numbers = [value for key, value in given if key == "k"] or [str(DEFAULT_K)]
    if not ids:
        raise Refused(f"the parameter '{name}' is needed")
    k: object = int(numbers[-1]) if _WHOLE.fullmatch(numbers[-1]) else numbers[-1]
    return make_question(ids, k, name, limits)


def make_question(ids: Iterable[Any], k: object, name: str, limits: Limits) -> Question:
    """A question within ``limits``.

    Raises:
        Refused: it is not; the message names the limit.
    """
    asked = list(ids)
    number = _bounded(len(asked), k, f"{name}s", limits)
    return Question(tuple(dict.fromkeys(id_text(each, name) for each in asked)), number)


def valid_steps(steps: object) -> int:
    """``steps`` itself, when it is a budget."""
    if isinstance(steps, bool) or not isinstance(steps, Integral) or not 0 <= int(steps) <= MOST_STEPS:
        raise Refused(f"steps must be a whole number from 0 to {MOST_STEPS}, not {str(steps)[:40]}")
    return int(steps)


def _with_histories(ids: object, histories: object, k: object, limits: Limits) -> Question:
    """People one by one, repeats included: two with one id may have met different things."""
    if not isinstance(histories, list) or not all(each is None or isinstance(each, list) for each in histories):
        raise Refused("'histories' must be a list with a list of item ids, or null, for each who asks")
    if ids is not None and (not isinstance(ids, list) or len(ids) != len(histories)):
        raise Refused("'user_ids' beside 'histories' must be a list of the same length, with an id or null for each")
    number = _bounded(len(histories), k, "histories", limits)
    people = [None] * len(histories) if ids is None else [None if each is None else id_text(each, "user_id") for each in ids]
    read = [None if each is None else tuple(id_text(item, "item_id") for item in each) for each in histories]
    return Question(tuple(people), number, tuple(read))


def _with_rules(question: Question, asked: Mapping[str, Any], limits: Limits) -> Question:
    rules: dict[str, Any] = {}
    for key in asked.keys() & {"allowed", "blocked"}:
        items = asked[key]
        if not isinstance(items, list) or not (key == "blocked" or items):
            raise Refused(f"'{key}' must be a list of item ids{' that is not empty' if key == 'allowed' else ''}")
        if len(items) > limits.rules:
            raise Refused(f"'{key}' has at most {limits.rules} items, not {len(items)}")
        rules[key] = tuple(id_text(item, "item_id") for item in items)
    if "steps" in asked:
        rules["steps"] = valid_steps(asked["steps"])
    return replace(question, **rules) if rules else question


def _only_known(given: Mapping[str, Any], valid: tuple[str, ...], what: str) -> None:
    for key in given:
        if key not in valid:
            raise Refused(f"unknown {what} '{key[:40]}'; {nearest(key[:40], valid)}")


def _bounded(count: int, k: object, what: str, limits: Limits) -> int:
    if not 1 <= count <= limits.ids:
        raise Refused(f"1 to {limits.ids} {what} can be asked for at once, not {count}")
    number = valid_k(k, limits.k, "the limit of this service")
    if count * number > limits.rows:
        raise Refused(f"{count} {what} x {number} items are more than {limits.rows} rows at once; ask in parts")
    return number


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")
