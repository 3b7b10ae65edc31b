"""The rules for one row, each by a row that breaks it and one that just does not."""

from __future__ import annotations

from datetime import datetime

import pytest

from recsys_cl.core.errors import Refused

HEADER = "user_id,item_id,timestamp,rating,weight\n"
ROW = {"user_id": "u", "item_id": "i", "timestamp": "1600000000", "rating": "", "weight": ""}


def line(**values):
    return ",".join('"' + value.replace('"', '""') + '"' for value in {**ROW, **values}.values()) + "\n"


OPAQUE = ["007", " 7 ", "7", "NULL", "nan", "NA", "None", "true", "1e5", "a,b", 'x"y', "é" * 512, "\u2028", "\u200b", "=1+1"]


def test_ids_are_opaque(ingest):
    done = ingest.csv(HEADER + "".join(line(user_id=value, item_id=value) for value in OPAQUE))
    assert done.rows("user_id", "item_id") == [(value, value) for value in OPAQUE]


NO_ID = {
    "": "is empty",
    "a\x00": "holds a control character",
    "a\tb": "holds a control character",
    "a\x7f": "holds a control character",
    "\x85": "holds a control character",
    "é" * 512 + "a": "is longer than 1024 bytes",
}


@pytest.mark.parametrize("field", ["user_id", "item_id"])
def test_ids_that_are_none(ingest, field):
    done = ingest.csv(HEADER + line() + "".join(line(**{field: value}) for value in NO_ID))
    assert done.bad() == [(number, field, reason) for number, reason in enumerate(NO_ID.values(), start=3)]


def test_ratings_are_decimal_numbers_or_missing(ingest):
    values = ["", "0", "-1.5", "+.5", "3.", "1e3", "4.5"]
    done = ingest.csv(HEADER + "".join(line(item_id=str(n), rating=value) for n, value in enumerate(values)))
    assert done.rows("rating") == [(float(value) if value else None,) for value in values]


NO_NUMBER = ["nan", "inf", "-inf", "1e999", "abc", "1_0", "٣", " 1", "0x10", "1,5", "--1", ".", "1e", "e1"]


@pytest.mark.parametrize("field", ["rating", "weight"])
def test_numbers_that_are_none(ingest, field):
    done = ingest.csv(HEADER + line() + "".join(line(**{field: value}) for value in NO_NUMBER))
    assert done.bad() == [(number, field, "is not a finite number") for number in range(3, 3 + len(NO_NUMBER))]


def test_a_weight_is_not_negative(ingest):
    done = ingest.csv(HEADER + line(weight="0") + line(weight="-0.1") + line(rating="-0.1"))
    assert done.bad() == [(3, "weight", "is negative")]


def test_a_row_is_named_once_by_its_first_fault(ingest):
    done = ingest.csv(HEADER + line() + line(user_id="", item_id="", timestamp="x"))
    assert done.bad() == [(3, "user_id", "is empty")]


def test_more_bad_rows_than_allowed_are_refused_with_an_example(ingest):
    def log(bad):
        return HEADER + line() * (10 - bad) + line(user_id="") * bad

    assert len(ingest.csv(log(2), contract={"max_bad_fraction": 0.2}).bad()) == 2
    with pytest.raises(Refused, match=r"3 of 10 rows are bad.*0\.2.*log\.csv: line 9: user_id: is empty"):
        ingest.csv(log(3), contract={"max_bad_fraction": 0.2})
    assert ingest.left == []


def test_no_good_row_is_refused_however_lenient(ingest):
    with pytest.raises(Refused, match="1 of 1 rows are bad"):
        ingest.csv(HEADER + line(user_id=""))


def test_later_than_as_of_is_bad(ingest):
    log = HEADER + line() + line(timestamp="1600000001")
    done = ingest.csv(log, contract={"as_of": datetime(2020, 9, 13, 12, 26, 40)})
    assert done.bad() == [(3, "timestamp", "is later than as_of")]


def test_a_part_is_read_only_where_mapped_and_must_be_known(ingest):
    path = str(ingest.file("log.csv", "user_id,item_id,timestamp,part\nu,i,1,train\nu,j,2,dev\n"))
    assert ingest("csv", path).bad() == []
    assert ingest("csv", path, columns={"part": "part"}).bad() == [(3, "part", "is none of train, valid, test")]


def test_of_two_spoilt_ids_the_users_is_named(ingest):
    """Each of the two is looked for once an id, after the row was found good."""
    done = ingest.csv("user_id,item_id,timestamp\na\x01,b\x02,1\nu,b\x02,2\n" + "".join(f"u,i,{n}\n" for n in range(9)))
    assert [(line, field) for line, field, _ in done.bad()] == [(2, "user_id"), (3, "item_id")]
