"""Timestamps as microseconds after 1970 in UTC, read by one strict grammar instead of an engine's own ideas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_cl.ingest.engine import epoch_microseconds

if TYPE_CHECKING:
    import ibis.expr.types as ir

FACTORS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DIGITS = r"^[0-9]{1,18}\z"
_ISO = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?)?\z"
)
_DATE, _MINUTE, _SECOND, _FRACTION, _SIGN, _HOURS, _MINUTES = range(1, 8)


def microseconds(value: ir.Value, unit: str) -> ir.IntegerValue:
    """The time of each row, int64; null where the text is no time, negative where it cannot be expressed.

    Text is ASCII digits (an epoch number in ``unit``) or ISO 8601 in its extended form: a date, perhaps with minutes,
    seconds, a fraction (cut off after microseconds) and an offset; no offset means UTC.
    """
    import ibis

    if value.type().is_timestamp():
        return epoch_microseconds(value)
    if value.type().is_integer():
        return _scaled(value, unit)
    return ibis.cases(
        (value.re_search(_DIGITS), _scaled(value.try_cast("int64"), unit)),
        (value.re_search(_ISO), _iso(value)),
        else_=ibis.null("int64"),
    )


def _scaled(number: ir.IntegerValue, unit: str) -> ir.IntegerValue:
    """Epoch numbers in microseconds; those that would overflow are no time either way and become -1."""
    import ibis

    factor = FACTORS[unit]
    far = (1 << 62) // factor
    return ibis.cases((number.isnull(), ibis.null("int64")), (number.between(-far, far), number * factor), else_=-1)


def _iso(text: ir.StringValue) -> ir.IntegerValue:
    def part(group: int, absent: str) -> ir.StringValue:
        found = text.re_extract(_ISO, group)
        return found.nullif("").fill_null(absent)

    clock = part(_DATE, "") + " " + part(_MINUTE, "00:00") + ":" + part(_SECOND, "00")
    fraction = part(_FRACTION, "0").rpad(6, "0").substr(0, 6).try_cast("int64")
    offset = part(_HOURS, "00").try_cast("int64") * 60 + part(_MINUTES, "00").try_cast("int64")
    signed = (part(_SIGN, "+") == "-").ifelse(offset, -offset)
    return epoch_microseconds(clock.try_cast("timestamp")) + signed * 60_000_000 + fraction
