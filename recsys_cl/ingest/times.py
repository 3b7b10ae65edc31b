"""Timestamps as microseconds after 1970 in UTC, read by one strict grammar instead of an engine's own ideas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_cl.ingest.engine import epoch_microseconds
from recsys_cl.ingest.rarer_times import RARER, clock, day, midnight, on_the_clock

if TYPE_CHECKING:
    import ibis.expr.types as ir

FACTORS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DIGITS = r"^0*[0-9]{1,18}\z"
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]+)?)?([Zz]|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?\z"
)


_NUMBER, _CALENDAR, _RARER = 0, 1, 2  # the three forms of a text that may be a time


def timed(rows: ir.Table, unit: str) -> ir.Table:
    """The rows with ``time``, int64 microseconds; null where ``timestamp`` is no time, negative where none can be expressed.

    Text is ASCII digits (an epoch number in ``unit``, ``20240131`` too) or ISO 8601: a whole date (``2024-01-31``,
    ``2024-W05-3``, ``2024-031``), alone or with ``T`` or a blank and hours, minutes, seconds, a fraction of a second (point or
    comma, cut off after microseconds) and an offset; in basic format too where a time follows (``20240131T1200Z``).
    No offset means UTC. No months or years alone, no signed years, no fractions of minutes, no hour 24, no second 60.
    """
    kind = rows.timestamp.type()
    if kind.is_timestamp():
        return rows.mutate(time=epoch_microseconds(rows.timestamp))
    return rows.mutate(time=_scaled(rows.timestamp, unit)) if kind.is_integer() else _read(rows, unit)


def _read(rows: ir.Table, unit: str) -> ir.Table:
    """By steps, each a column for the next: one expression would be three hundred thousand characters of SQL."""
    import ibis

    given = rows.timestamp
    forms = [(given.re_search(_DIGITS), _NUMBER), (given.re_search(_ISO), _CALENDAR), (given.re_search(RARER), _RARER)]
    steps = rows.mutate(form=ibis.cases(*forms, else_=ibis.null("int8")))
    rare = steps.form == _RARER
    steps = steps.mutate(day=rare.ifelse(day(steps.timestamp), None), clock=rare.ifelse(clock(steps.timestamp), None))
    read = ibis.cases(
        (steps.form == _CALENDAR, steps.timestamp), (steps.form == _RARER, "1970-01-01" + on_the_clock(steps.clock)), else_=None
    )
    steps = steps.mutate(iso=read, midnight=ibis.cases((steps.form == _CALENDAR, 0), else_=midnight(steps.day)))
    steps = steps.mutate(behind=steps.iso.substr(16))
    steps = steps.mutate(offset=steps.behind.re_extract("[+-].*", 0))
    number = _scaled(steps.timestamp.try_cast("int64"), unit)
    moment = steps.midnight + _moment(steps.iso, steps.behind, steps.offset)
    time = ibis.cases((steps.form == _NUMBER, number), (steps.form.notnull(), moment), else_=ibis.null("int64"))
    return steps.select(*rows.columns, time=time)


def _scaled(number: ir.IntegerValue, unit: str) -> ir.IntegerValue:
    """Epoch numbers in microseconds; those that would overflow are no time either way and become -1."""
    import ibis

    factor = FACTORS[unit]
    far = (1 << 62) // factor
    return ibis.cases((number.isnull(), ibis.null("int64")), (number.between(-far, far), number * factor), else_=-1)


def _moment(text: ir.StringValue, behind: ir.StringValue, offset: ir.StringValue) -> ir.IntegerValue:
    """Text of the form ``_ISO``, taken apart by position; null where the calendar has no such time.

    ``behind`` is what follows the minutes: seconds, fraction and ``offset``.
    """
    import ibis

    date, minute = text.left(10), text.substr(11, 5)
    seconds = behind.startswith(":")
    clock = ibis.cases(
        (text.length() == 10, date + " 00:00:00"), (seconds, date + " " + minute + behind.left(3)), else_=date + " " + minute
    )
    digits = behind.re_extract("[.,]([0-9]+)", 1)
    fraction = (digits != "").ifelse((digits + "00000").left(6).try_cast("int64"), 0)
    return epoch_microseconds(clock.try_cast("timestamp")) - (offset != "").ifelse(_offset(offset), 0) + fraction


def _offset(text: ir.StringValue) -> ir.IntegerValue:
    """Microseconds by which ``+05:30``, ``+0530`` or ``+05`` is ahead of UTC."""
    hours, minutes = text.substr(1, 2).try_cast("int64"), text.substr(3).replace(":", "").nullif("").try_cast("int64")
    ahead = hours * 60 + minutes.fill_null(0)
    return (text.startswith("-")).ifelse(-ahead, ahead) * 60_000_000
