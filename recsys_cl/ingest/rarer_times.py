"""The rarer forms of ISO 8601, as relational expressions: basic format, week dates, ordinal dates, hours alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_cl.ingest.engine import epoch_microseconds

if TYPE_CHECKING:
    import ibis.expr.types as ir

DAY = 86_400_000_000  # microseconds
_HOUR, _SIXTY = "([01][0-9]|2[0-3])", "[0-5][0-9]"
_OFFSET = f"([Zz]|[+-]{_HOUR}(:?{_SIXTY})?)?"
_EXTENDED = f"[Tt ]{_HOUR}(:{_SIXTY}(:{_SIXTY}([.,][0-9]+)?)?)?{_OFFSET}"
_BASIC = f"[Tt]{_HOUR}({_SIXTY}({_SIXTY}([.,][0-9]+)?)?)?{_OFFSET}"
RARER = (
    rf"^([0-9]{{4}}-([0-9]{{3}}|W[0-9]{{2}}-[1-7])({_EXTENDED})?|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{_EXTENDED}"
    rf"|[0-9]{{4}}W[0-9]{{2}}[1-7]({_BASIC})?|([0-9]{{8}}|[0-9]{{7}}){_BASIC})\z"
)
"""A whole date, alone or with a whole number of hours, minutes or seconds, the last perhaps with a fraction.

Basic and extended format are not mixed but for the offset. Digits alone are never a date here: they are an epoch number.
"""


def day(text: ir.StringValue) -> ir.StringValue:
    """The date of a text of the form ``RARER``, without hyphens."""
    return text.re_extract(r"^([0-9W-]+)", 1).replace("-", "")


def clock(text: ir.StringValue) -> ir.StringValue:
    """Its time of day and offset; empty where there is none."""
    return text.re_extract(r"[Tt ](.*)", 1)


def midnight(day: ir.StringValue) -> ir.IntegerValue:
    """The first microsecond of the day in UTC, as if there were no offset; null where the calendar has no such day."""
    import ibis

    year, rest = day.left(4).try_cast("int64"), day.substr(4)
    week, place = rest.substr(1, 2).try_cast("int64"), rest.substr(3, 1).try_cast("int64")
    monday, following = _first_monday(year), _first_monday(year + 1)
    weekly = ((week >= 1) & (monday + 7 * week <= following)).ifelse(monday + 7 * week + place - 8, None)
    ordinal, first = rest.try_cast("int64"), _new_year(year)
    counted = ordinal.between(1, _new_year(year + 1) - first).ifelse(first + ordinal - 1, None)
    calendar = (day.left(4) + "-" + day.substr(4, 2) + "-" + day.substr(6, 2) + " 00:00:00").try_cast("timestamp")
    return ibis.cases(
        (rest.startswith("W"), weekly * DAY), (rest.length() == 3, counted * DAY), else_=epoch_microseconds(calendar)
    )


def on_the_clock(time: ir.StringValue) -> ir.StringValue:
    """The time of day in extended format with an offset, as it would follow ``1970-01-01``; empty where there is none."""
    import ibis

    digits = time.re_extract(r"^([0-9:]+)", 1)
    rest, bare = time.substr(digits.length()), digits.replace(":", "")
    minutes, seconds = bare.substr(2, 2), bare.substr(4, 2)
    clock = bare.left(2) + ":" + (minutes == "").ifelse("00", minutes) + (seconds == "").ifelse("", ibis.literal(":") + seconds)
    return (time == "").ifelse("", ibis.literal("T") + clock + rest)


def _new_year(year: ir.IntegerValue) -> ir.IntegerValue:
    """Days from 1970-01-01 to 1 January, by the Gregorian rule."""
    return 365 * (year - 1970) + (year - 1969) // 4 - (year - 1901) // 100 + (year - 1601) // 400


def _first_monday(year: ir.IntegerValue) -> ir.IntegerValue:
    """Days from 1970-01-01 to the Monday of the week that holds the year's first Thursday (ISO 8601: week 01)."""
    new_year = _new_year(year)
    weekday = (new_year + 3) % 7  # Monday is 0; 1970-01-01 was a Thursday
    return new_year - weekday + (weekday > 3).ifelse(7, 0)
