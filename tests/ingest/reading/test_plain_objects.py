"""The fast way answers as the strict parser does, or not at all."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.objects import decode, row
from recsys_cl.ingest.reading.plain_objects import plain_columns

NAMES = [("user_id", "u"), ("timestamp", "t"), ("rating", "r")]
GOOD = b'{"u": "a", "t": 1, "r": 4.5}\n'


def strictly(data):
    """The columns line by line; None where some line is bad."""
    columns = {name: [] for name, _ in NAMES}
    for line in data.decode().split("\n"):
        if not line:
            continue
        try:
            found = row(decode(line), NAMES)
        except Refused:
            return None
        if isinstance(found, tuple):
            return None
        for name, value in found.items():
            columns[name].append(value)
    return columns


def plainly(data):
    """The columns as the fast way reads them; None where it does not answer."""
    fast = plain_columns(data, NAMES)
    if fast is None:
        return None
    columns, keys = fast
    count = len(next(iter(columns.values())))
    assert set(columns) == {name for name, key in NAMES if key in keys}
    return {name: columns[name].to_pylist() if name in columns else [None] * count for name, _ in NAMES}


def numbered(columns):
    """Ratings as numbers, where they are such: 1e2 is 100.0 in any words, and NaN in any case is a word, which equals itself."""
    return None if columns is None else {**columns, "rating": [_number(value) for value in columns["rating"]]}


def _number(value):
    try:
        return value if value is None else "nan" if math.isnan(float(value)) else float(value)
    except ValueError:
        return value


@pytest.mark.parametrize(
    "data",
    [
        GOOD * 3,
        GOOD + b'{"u": "b", "t": 2, "r": 5}',
        b'{"u": "\\u00e9\\n\\"", "t": 2}\n{"t": 3}\n',
        b'{"u": "[DVD]", "t": 2, "x": {"y": [{"z": "}"}]}}\n',
        b'{"u": 7, "t": "2024-01-01", "r": null}\n{}\n',
        b'{"u": "Toy-Infant", "t": 1}\n',
    ],
)
def test_plain_blocks_go_the_fast_way(data):
    assert plainly(data) is not None
    assert numbered(plainly(data)) == numbered(strictly(data))


@pytest.mark.parametrize(
    "line",
    [
        b'{"u": "a", "t": 1, "x": NaN}',
        b'{"u": "a", "t": 1, "x": -Infinity}',
        b'{"u": "a", "t": 1, "r":Infinity}',
        b'{"u": "a", "t": 1, "x": [NaN]}',
        b'{"u": "a", "u": "b", "t": 1}',
        b'{"u": "a", "t": 1, "x": 1, "x": 2}',
        b'{"u": "a", "t": 1}{"u": "b", "t": 1}',
        b'{"u": "a",\n"t": 1}',
        b'{"u": "a", "t": 1}{\n}',
        b'{"u": "a}\n{b", "t": 1}',
        b'{"u": "a", "t": 1.5}',
        b'{"u": 1, "t": 1}',
        b'{"u": true, "t": 1}',
        b'{"u": "a", "t": 99999999999999999999}',
        b'{"u": "a", "t": 1, "r": ' + b"9" * 400 + b"}",
        b'{"u": "a", "t": 1, "x": ' + b"9" * 4400 + b"}",
        b'{"u": "a", "t": 1, "x": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"u": "\\ud800", "t": 1}',
        b'{"u": "a\tb", "t": 1}',
        b'{"u": "a", "t": 1} ',
        b'["a"]',
        b"",
        b"{}",
        b'{"x": 1}',
        b'{"u": "a", "t": 1',
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_whatever_is_not_plain_is_left_to_the_strict_parser(line, first):
    """The first lines are a sample that is parsed strictly; those after it are only looked at."""
    good = b"" if line in (b"{}", b'{"x": 1}') else GOOD  # these are plain, but alone they say nothing
    assert plain_columns(line + b"\n" + good if first else good * 25 + line + b"\n", NAMES) is None


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["NaN", "[", "}", "2024-01-01"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=2), inner, max_size=2))
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "u": st.one_of(st.text(max_size=5), st.integers(0, 9), VALUES),
        "t": st.one_of(st.integers(-5, 2**63 - 1), VALUES),
        "r": st.one_of(st.floats(allow_nan=False), VALUES),
        "x": VALUES,
    },
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(rows=st.lists(OBJECTS, min_size=1, max_size=4), ascii_only=st.booleans())
@example(rows=[{"r": "NAN"}], ascii_only=True)
def test_any_objects(rows, ascii_only):
    text = "".join(json.dumps(value, ensure_ascii=ascii_only) + "\n" for value in rows)
    data = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()
    fast = plainly(data)
    assert fast is None or numbered(fast) == numbered(strictly(data))


PLAIN = st.fixed_dictionaries(
    {"u": st.text(max_size=5), "t": st.integers(-5, 2**63 - 1)},
    optional={"r": st.floats(allow_nan=False, allow_infinity=False)},
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(rows=st.lists(PLAIN, min_size=1, max_size=4), junk=st.binary(max_size=3), at=st.integers(0, 200))
def test_any_bytes_thrown_in(rows, junk, at):
    data = "".join(json.dumps(value) + "\n" for value in rows).encode()
    data = data[:at] + junk + data[at:]
    try:
        data.decode()
    except UnicodeDecodeError:
        return
    fast = plainly(data)
    assert fast is None or numbered(fast) == numbered(strictly(data))
