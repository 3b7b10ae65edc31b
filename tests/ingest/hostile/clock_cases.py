"""Clocks of every kind in one log: units mixed, zones, calendars, leap seconds, and what only looks like a time."""

from __future__ import annotations

from tests.ingest.hostile.case import GOOD, HEADER, ROW, Case, csv

NEITHER, FAR = "neither an epoch number nor ISO 8601", r"not in 1970\.\.2099"
MILLENNIUM = 946_684_800  # 2000-01-01T00:00:00Z


def _kept(text: str, seconds: float) -> Case:
    rows = sorted([ROW, ("v", "j", seconds)], key=lambda row: row[2])
    return csv(text, HEADER + GOOD + f'v,j,"{text}"\n', *rows)


def _bad(text: str, reason: str) -> Case:
    return csv(text, HEADER + GOOD + f'v,j,"{text}"\n', ROW, bad=[(3, "timestamp", reason)])


EPOCHS = [
    _kept("946684800", MILLENNIUM),
    _kept("0", 0),
    _kept("00000000000000000000000946684800", MILLENNIUM),
    _kept("4102444799", 4_102_444_799),
    *(_bad(text, FAR) for text in ("4102444800", "946684800000", "946684800000000", "999999999999999999")),
    *(_bad(text, f"{FAR}|{NEITHER}") for text in ("946684800000000000", "9223372036854775808", "9" * 400)),
    *(_bad(text, NEITHER) for text in ("-0", "-1", "+946684800", "946684800.0", "9.4e8", "1E9", "0x386D4380", "946_684_800", "946,684,800", "9466848OO")),
    *(_bad(text, NEITHER) for text in (" 946684800", "946684800 ", "\u00a0946684800", "".join(chr(0xFF10 + int(digit)) for digit in "946684800"), "٩٤٦٦٨٤٨٠٠", "NaN", "inf", "null", "now", "true", "''")),
]  # fmt: skip

CALENDAR = [
    _kept("2000-01-01", MILLENNIUM),
    _kept("2000-02-29T00:00:00Z", MILLENNIUM + 59 * 86_400),
    _kept("1999-W52-6", MILLENNIUM),
    _kept("2000-001", MILLENNIUM),
    _kept("2000-366", MILLENNIUM + 365 * 86_400),
    _kept("2020-W53-7", 1_609_632_000),
    *(_bad(text, NEITHER) for text in (
        "2000-02-30", "2001-02-29", "2000-13-01", "2000-00-10", "2000-01-00", "2001-366", "2000-000", "2001-W53-1", "2000-W00-1", "2000-W01-8",
        "2000-1-1", "00-01-01", "2000/01/01", "01/01/2000", "2000.01.01", "Sat, 01 Jan 2000 00:00:00 GMT", "Jan 1 2000", "2000-01", "-2000-01-01", "+002000-01-01", "٢٠٠٠-01-01",
    )),
    *(_bad(text, FAR) for text in ("1969-12-31", "2100-01-01", "0001-01-01", "9999-12-31")),
]  # fmt: skip

HOURS = [
    _kept("2000-01-01T00:00:00Z", MILLENNIUM),
    _kept("2000-01-01t00:00:00z", MILLENNIUM),
    _kept("2000-01-01 00:00", MILLENNIUM),
    _kept("2000-01-01T00", MILLENNIUM),
    _kept("20000101T000000Z", MILLENNIUM),
    _kept("2000-01-01T00:00:00-00:00", MILLENNIUM),
    _kept("2000-01-01T14:00:00+14:00", MILLENNIUM),
    _kept("1999-12-31T12:00:00-1200", MILLENNIUM),
    _kept("2000-01-01T05:45+05:45", MILLENNIUM),
    _kept("2000-01-01T00:00:00.5Z", MILLENNIUM + 0.5),
    _kept("2000-01-01T00:00:00,25+00", MILLENNIUM + 0.25),
    _kept("2000-01-01T00:00:00.0000009999Z", MILLENNIUM),
    _kept("1970-01-01T00:00:00-00:01", 60),
    _kept("2100-01-01T00:30:00+01:00", 4_102_443_000),
    _bad("1970-01-01T00:00:00+00:01", FAR),
    *(_bad(text, NEITHER) for text in (
        "2016-12-31T23:59:60Z", "2000-01-01T24:00:00Z", "2000-01-01T25:00:00Z", "2000-01-01T00:60:00Z", "2000-01-01T00:00:61Z", "2000-01-01T00:00:00+24:00",
        "2000-01-01T00:00:00+00:60", "2000-01-01T00:00:00 UTC", "2000-01-01T00:00:00 +0000", "2000-01-01T00:00:00[Europe/Berlin]", "2000-01-01T00:00:00ZZ",
        "2000-01-01T00:00:00.Z", "2000-01-01T00:00.5Z", "2000-01-01TZ", "2000-01-01T", "2000-01-01  00:00:00", "20000101 000000", "2000-01-01T00:00:00Z\u200b",
    )),
]  # fmt: skip

UNITS = [
    csv("milliseconds, asked for", HEADER + "u,i,1000\nv,j,2000\n", ROW, ("v", "j", 2), contract={"timestamp_unit": "ms"}),
    csv("microseconds, asked for", HEADER + "u,i,1000000\nv,j,1\n", ("v", "j", 0.000001), ROW, contract={"timestamp_unit": "us"}),
    csv("seconds among milliseconds", HEADER + f"u,i,1000\nv,j,{MILLENNIUM}\n", ROW, ("v", "j", MILLENNIUM / 1000), contract={"timestamp_unit": "ms"}),
    csv("text among milliseconds", HEADER + "u,i,1000\nv,j,1970-01-01T00:00:02Z\n", ROW, ("v", "j", 2), contract={"timestamp_unit": "ms"}),
    csv("four units in one log", HEADER + "".join(f"u,i{n},{MILLENNIUM * 1000**n}\n" for n in range(4)), ("u", "i0", MILLENNIUM),
        bad=[(3, "timestamp", FAR), (4, "timestamp", FAR), (5, "timestamp", f"{FAR}|{NEITHER}")]),
]  # fmt: skip

CASES = {"epochs": EPOCHS, "calendar": CALENDAR, "hours": HOURS, "units": UNITS}
