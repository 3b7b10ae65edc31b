"""Times are read as Python's own calendar reads them, and nothing else is a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

HEADER = "user_id,item_id,timestamp\n"


def log(*times):
    return HEADER + "".join(f'u,{number},"{time}"\n' for number, time in enumerate(times))


GOOD = {
    "0": 0,
    "1600000000": 1_600_000_000_000_000,
    "4102444799": 4_102_444_799_000_000,
    "2020-09-13T12:26:40Z": 1_600_000_000_000_000,
    "2020-09-13 12:26:40": 1_600_000_000_000_000,
    "2020-09-13T14:26:40+02:00": 1_600_000_000_000_000,
    "2020-09-13T14:26:40+0200": 1_600_000_000_000_000,
    "2020-09-13T10:26:40-02": 1_600_000_000_000_000,
    "2020-09-13T17:56:40.25+05:30": 1_600_000_000_250_000,
    "2020-09-13T12:26:40,1234567Z": 1_600_000_000_123_456,
    "2020-09-13T12:26": 1_599_999_960_000_000,
    "2020-09-13T14:26+02:00": 1_599_999_960_000_000,
    "2020-09-13": 1_599_955_200_000_000,
    "2020-02-29": 1_582_934_400_000_000,
    "2020-09-13t12:26:40z": 1_600_000_000_000_000,
    "2020-09-13T12:26:40-00:00": 1_600_000_000_000_000,
    "2020-09-13T12": 1_599_998_400_000_000,
    "2020-09-13T12Z": 1_599_998_400_000_000,
    "20200913T122640Z": 1_600_000_000_000_000,
    "20200913T122640,5Z": 1_600_000_000_500_000,
    "20200913T1226": 1_599_999_960_000_000,
    "20200913T14+0200": 1_599_998_400_000_000,
    "2020-W37-7T12:26:40Z": 1_600_000_000_000_000,
    "2020-W37-7": 1_599_955_200_000_000,
    "2020W377T122640.25": 1_600_000_000_250_000,
    "2020W377": 1_599_955_200_000_000,
    "2020-257T12:26:40Z": 1_600_000_000_000_000,
    "2020-257": 1_599_955_200_000_000,
    "2020257T122640+0000": 1_600_000_000_000_000,
    "2020-366": 1_609_372_800_000_000,
    "20200913": 20_200_913_000_000,
    "000000000000000000000000000000001": 1_000_000,
    "2099-12-31T23:59:59.999999": 4_102_444_799_999_999,
}
NOT_IN_RANGE = ["4102444800", "1600000000000", "999999999999999999", "2100-01-01", "1969-12-31T23:59:59.7Z", "0000-01-01"]
NO_TIME = [
    "-5", "+5", "1_000", "١٢", " 1600000000", "1600000000 ", "1.6e9", "1600000000.5", "0x10", "now", "NaN",
    "2020-02-30", "2019-02-29", "2020-13-01", "2020-09-13T24:30:00", "2020-09-13T12:60", "2020-09-13T12:26:40+24:00",
    "2020-9-13", "13.09.2020", "2020-09-13T", "2020-09-13Z", "99999999999999999999",
    "2020-09-13T24:00:00", "2016-12-31T23:59:60Z", "2020-09-13T12:26.5", "2020-09-13T12,5", "2020-09", "2020-09-", "+2020-09-13", "+002020-09-13", "-2020-09-13",
    "2020-W00-1", "2020-W54-1", "2021-W53-1", "2020-W37-8", "2020-W37-0", "2020-W37", "2020-w37-7", "2020-W377", "2020W37-7", "2021-366", "2020-000", "2020-367", "2020-99",
    "20200913T12:26:40", "2020-09-13T122640", "20200230T00", "20201301T00", "20200913 122640", "2020366T24", "2020-09-13T12:26:40 Z", "2020-09-13T12:26:40+5", "2020-09-13T12:26:40+05:3",
    "2020-09-13T12:26:40+05:60", "2020-09-13T12:26:40.", "2020-09-13T12:26:40.Z", "\uff12020-09-13", "2020\u201109\u201113", "2020-09-13T12:26:40\u221202:00", "-0", "0.0", "1e9", "1,600,000,000", "∞", "",
]  # fmt: skip


def test_what_is_a_time(ingest):
    done = ingest.csv(log(*GOOD))
    assert done.bad() == []
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    found = {int(item): (time - epoch) // timedelta(microseconds=1) for item, time in done.rows("item_id", "timestamp")}
    assert [found[number] for number in range(len(GOOD))] == list(GOOD.values())


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (NOT_IN_RANGE, "is not in 1970..2099 (see timestamp_unit)"),
        (NO_TIME, "is neither an epoch number nor ISO 8601"),
    ],
)
def test_what_is_no_time(ingest, times, reason):
    done = ingest.csv(log(*times, "1"))
    assert done.bad() == [(number, "timestamp", reason) for number in range(2, len(times) + 2)]


@pytest.mark.parametrize(("unit", "number"), [("s", "1600000000"), ("ms", "1600000000000"), ("us", "1600000000000000")])
def test_the_unit_of_epoch_numbers_is_explicit(ingest, unit, number):
    done = ingest.csv(log(number, "2020-09-13T12:26:40"), contract={"timestamp_unit": unit})
    assert {time for (time,) in done.rows("timestamp")} == {datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)}


MOMENTS = st.datetimes(datetime(1970, 1, 3), datetime(2099, 12, 29))
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(moments=st.lists(st.builds(lambda moment, zone: moment.replace(tzinfo=zone), MOMENTS, OFFSETS), min_size=1, max_size=30))
def test_iso_text_round_trips_through_python_s_own_writer(fresh_ingest, moments):
    done = fresh_ingest().csv(log(*(moment.isoformat() for moment in moments)))
    assert dict(done.rows("item_id", "timestamp")) == {str(n): moment.astimezone(UTC) for n, moment in enumerate(moments)}


@pytest.mark.slow
def test_every_day_of_thirty_years_is_the_same_day_in_every_form(ingest):
    days = [date(1999, 12, 27) + timedelta(days=number) for number in range(30 * 366)]
    forms = [f"{day:%Y-%j}" for day in days] + [f"{day:%G-W%V-%u}" for day in days] + [f"{day:%Y%m%dT00}" for day in days]
    done = ingest.csv(log(*forms))
    assert done.bad() == []
    found = {int(item): time.date() for item, time in done.rows("item_id", "timestamp")}
    assert [found[number] for number in range(len(forms))] == days * 3
