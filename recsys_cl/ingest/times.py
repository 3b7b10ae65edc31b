"""Timestamps as microseconds after 1970 in UTC, read by one strict grammar instead of an engine's own ideas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_cl.ingest.engine import epoch_microseconds
from recsys_cl.ingest.rarer_times import RARER, clock, midnight

if TYPE_CHECKING:
    import ibis.expr.types as ir

FACTORS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DIGITS = r"^0*[0-9]{1,18}\z"
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]+)?)?([Zz]|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?\z"
)


def microseconds(value: ir.Value, unit: str) -> ir.IntegerValue:
    """The time of each row, int64; null where the text is no time, negative where it cannot be expressed.

    Text is ASCII digits (an epoch number in ``unit``, ``20240131`` too) or ISO 8601: a whole date (``2024-01-31``,
    ``2024-W05-3``, ``2024-031``), alone or with ``T`` or a blank and hours, minutes, seconds, a fraction of a second (point or
    comma, cut off after microseconds) and an offset; in basic format too where a time follows (``20240131T1200Z``).
    No offset means UTC. No months or years alone, no signed years, no fractions of minutes, no hour 24, no second 60.
    """
    import ibis

    if value.type().is_timestamp():
        return epoch_microseconds(value)
    if value.type().is_integer():
        return _scaled(value, unit)
    return ibis.cases(
        (value.re_search(_DIGITS), _scaled(value.try_cast("int64"), unit)),
        (value.re_search(_ISO), _iso(value)),
        (value.re_search(RARER), midnight(value) + _iso("1970-01-01" + clock(value))),
        else_=ibis.null("int64"),
    )


def _scaled(number: ir.IntegerValue, unit: str) -> ir.IntegerValue:
    """Epoch numbers in microseconds; those that would overflow are no time either way and become -1."""
    import ibis

    factor = FACTORS[unit]
    far = (1 << 62) // factor
    return ibis.cases((number.isnull(), ibis.null("int64")), (number.between(-far, far), number * factor), else_=-1)


def _iso(text: ir.StringValue) -> ir.IntegerValue:
    """Text that matches the grammar, taken apart by position; null where the calendar has no such time."""
    import ibis

    rest = text.substr(16)  # seconds and offset
    seconds = rest.startswith(":")
    date, minute = text.left(10), text.substr(11, 5)
    clock = ibis.cases(
        (text.length() == 10, date + " 00:00:00"), (seconds, date + " " + minute + rest.left(3)), else_=date + " " + minute
    )
    fraction = ibis.cases(
        (rest.re_search("[.,]"), (rest.re_extract("[.,]([0-9]+)", 1) + "00000").left(6).try_cast("int64")), else_=0
    )
    offset = ibis.cases((rest.re_search("[+-]"), _offset(rest.re_extract("[+-].*", 0))), else_=0)
    return epoch_microseconds(clock.try_cast("timestamp")) - offset + fraction


def _offset(text: ir.StringValue) -> ir.IntegerValue:
    """Microseconds by which ``+05:30``, ``+0530`` or ``+05`` is ahead of UTC."""
    hours, minutes = text.substr(1, 2).try_cast("int64"), text.substr(3).replace(":", "").nullif("").try_cast("int64")
    ahead = hours * 60 + minutes.fill_null(0)
    return (text.startswith("-")).ifelse(-ahead, ahead) * 60_000_000
