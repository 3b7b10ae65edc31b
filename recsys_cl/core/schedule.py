"""When a pipeline runs by itself: a cron line that is checked before anything waits for it."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator

from recsys_cl.core.settings import Settings

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?", re.ASCII)
_LONGEST = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
NAMED = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")


def check_cron(line: str) -> str:
    """The line itself: five fields as in crontab(5), or one of `NAMED`.

    Raises:
        ValueError: it does not parse, or no day is ever like that; the message names the field.
    """
    if line.startswith("@"):
        if line not in NAMED:
            raise ValueError(f"'{line}' is none of {', '.join(NAMED)}")
        return line
    fields = line.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"'{line}' has {len(fields)} fields; a cron line has minute, hour, day, month and day of the week")
    _minutes, _hours, days, months, _weekdays = (_values(text, *kind) for text, kind in zip(fields, _FIELDS, strict=True))
    if fields[4] == "*" and min(days) > max(_LONGEST.get(month, 31) for month in months):
        raise ValueError(f"'{line}': none of these months has a day {min(days)}")
    return line


def _values(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> set[int]:
    """All values that one field allows."""
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{name}: '{part}' is no number, range or step")
        first, last, step = match["first"], match["last"], int(match["step"] or 1)
        if step < 1 or (first == "*" and last):
            raise ValueError(f"{name}: '{part}' is no range")
        begin = low if first == "*" else _number(first, name, low, high, words)
        end = high if first == "*" or (match["step"] and not last) else begin
        end = _number(last, name, low, high, words) if last else end
        if end < begin:
            raise ValueError(f"{name}: '{part}' goes backwards")
        found.update(range(begin, end + 1, step))
    return found


def _number(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> int:
    short = text.lower()
    value = words.index(short) + (1 if low else 0) if short in words else int(text) if text.isdigit() else -1
    if not low <= value <= high:
        raise ValueError(f"{name}: '{text}' is not from {low} to {high}")
    return value


class Append(Settings):
    """The log of one day that goes into the data set before the pipeline runs; the same day again changes nothing."""

    input: str  # file, folder or glob; {day} becomes 2026-11-21
    since: str  # the first day
    columns: dict[str, str] = Field(default_factory=dict)

    @field_validator("since")
    @classmethod
    def _is_a_day(cls, text: str) -> str:
        return date.fromisoformat(text).isoformat()

    @field_validator("input")
    @classmethod
    def _names_the_day(cls, text: str) -> str:
        if "{day}" not in text:
            raise ValueError(f"'{text}' does not say where the day stands; write {{day}}")
        return text


class Schedule(Settings):
    """When to run, and how often to try again where the environment failed."""

    cron: str
    timezone: str = "UTC"
    retries: int = Field(3, ge=0, le=20)
    backoff_seconds: float = Field(60.0, ge=0, le=86_400)  # before the second try; then 3, 7, 15 … times that
    append: Append | None = None

    @field_validator("cron")
    @classmethod
    def _parses(cls, line: str) -> str:
        return check_cron(line)

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            near = [*get_close_matches(name, available_timezones(), n=1), "Europe/Berlin"]
            raise ValueError(f"'{name}' is no time zone; did you mean '{near[0]}'?") from error
        return name
