"""JSON lines, each judged by itself: no NaN, no doubled key, no depth or length that could hurt the reader."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from recsys_cl.core.errors import Refused

LONGEST = 1 << 20  # characters in one line

Row = dict[str, str | None]


def decode(line: str) -> dict[str, Any]:
    """The object on a line.

    Raises:
        Refused: the line is no strict JSON object; the message is the reason.
    """
    if len(line) > LONGEST:
        raise Refused(f"longer than {LONGEST} characters")
    text = line.strip(" \t\r")
    try:
        value, end = _DECODER.raw_decode(text)  # half the time of decode, which looks for blanks by regular expression
    except RecursionError:
        raise Refused("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Refused(f"not JSON: {error.msg} at column {error.colno}") from None
    except ValueError:  # the interpreter's own guard against numbers that take minutes to convert
        raise Refused("a number of more than 4300 digits") from None
    if end != len(text):
        raise Refused(f"not JSON: Extra data at column {end + 1}")
    if not isinstance(value, dict):
        raise Refused("not a JSON object")
    return value


def cut_off(line: str) -> bool:
    """Whether a line is the beginning of an object, and ends before the object does; zeros are what a power cut leaves."""
    text = line.strip(" \t\r")
    try:
        json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        ended = error.pos >= len(text) or error.msg.startswith("Unterminated string") or not text.endswith("}")
        return text.startswith(("{", "\0")) and ended
    except (RecursionError, ValueError):
        return not text.endswith("}")
    return False


def row(record: dict[str, Any], names: Sequence[tuple[str, str]]) -> Row | tuple[str, str]:
    """The contract's columns of a record as text, or (field, reason) of the first value that cannot be text.

    ``names`` are pairs (the contract's name, the log's).
    """
    found: Row = {}
    for name, key in names:
        value = record.get(key)
        if value is None or type(value) is str:
            found[name] = value
        elif type(value) is int or (type(value) is float and name in NUMBERS):
            found[name] = repr(value)
        else:
            needed = "a number" if name in NUMBERS else "an integer"
            return name, f"{_KINDS[type(value)]}, where text or {needed} is needed"
        if type(value) is str and not value.isascii() and not _encodable(value):
            return name, "a lone surrogate, which is no text"
    return found


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(text: str) -> float:
    raise Refused(f"not JSON: {text}")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise Refused("a key stands twice in one object")
    return record


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_distinct)
_KINDS = {bool: "a boolean", list: "a list", dict: "an object", float: "a float"}
NUMBERS = ("rating", "weight")
