"""The fast way and the careful way of reading CSV are one reading, and no line of a file is lost."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading import text
from recsys_cl.ingest.reading.delimited import plain_rows, read_rows
from recsys_cl.ingest.reading.records import Layout, careful_rows, read_layout
from recsys_cl.ingest.reading.text import Block

LAYOUT = Layout(",", ("a", "b"), 1)


def careful(content: str, *, last: bool = True):
    rows, rest = careful_rows("log.csv", Block(content.encode(), 1, last), LAYOUT, [0, 1])
    return list(zip(*rows.columns.values(), strict=True)), list(rows.lines), rows.faults, rest


PIECES = st.lists(st.sampled_from(['"', '""', ",", "\n", "\r\n", "\r", "x", "é", " "]), max_size=14).map("".join)


@settings(max_examples=400, deadline=None)
@given(content=PIECES)
def test_where_the_fast_way_answers_it_answers_as_the_careful_way(content):
    fast = plain_rows(content.encode(), 1, LAYOUT, [0, 1])
    if fast is not None:
        rows, lines, faults, _ = careful(content)
        assert rows == list(zip(fast.columns[0].to_pylist(), fast.columns[1].to_pylist(), strict=True))
        assert lines == fast.lines.tolist()
        assert faults == []


def test_the_fast_way_takes_plain_blocks():
    for content in ("x,y\n", 'x,y\r\n"z",w', '"x,1",""\n'):
        assert plain_rows(content.encode(), 1, LAYOUT, [0]) is not None


@pytest.mark.parametrize(
    "content", ['"x"y,z\n', 'x"y"z,w\n', '"x""y",z\n', '"x\ny",z\n', "x\ry,z\n", "x,y\n\nu,v\n", "x\n", "x,y,z\n", ""]
)
def test_the_fast_way_leaves_the_rest_to_the_careful_way(content):
    assert plain_rows(content.encode(), 1, LAYOUT, [0]) is None


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=6)  # which the writer does not quote


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8), quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
)
def test_what_the_csv_module_writes_is_read_back(rows, quoting):
    out = io.StringIO()
    csv.writer(out, quoting=quoting, lineterminator="\n").writerows(rows)
    found, _, faults, _ = careful(out.getvalue())
    assert found == rows
    assert faults == []


@pytest.mark.parametrize(
    ("content", "rows", "faults"),
    [
        ("x,y\nz\nx,y,z\nu,v\n", [("x", "y"), ("u", "v")], [2, 3]),
        ('"x,y\nu,v\n"w",z\n', [("u", "v"), ("w", "z")], [1]),
        ('"x"y,z\nu,v\n', [("u", "v")], [1]),
        ('x"y,z\nu,v\n', [('x"y', "z"), ("u", "v")], []),
        ("x\ry,z\nu,v\n", [("u", "v")], [1]),
        ('"x\ny",z\n\n\r\nu\n', [("x\ny", "z")], [5]),
        ('x,y\n"u,v\nw,x\n', [("x", "y"), ("w", "x")], [2]),
        ('u,v",x\n"y\nw,x\nz,"\nu,v\n', [("w", "x"), ("u", "v")], [1, 2, 4]),
    ],
)
def test_a_bad_record_costs_its_own_line_only(content, rows, faults):
    found, _, bad, _ = careful(content)
    assert found == rows
    assert [line for line, *_ in bad] == faults


@pytest.mark.parametrize(("content", "line"), [("x,y\nu", 2), ('x,y\n"u,v', 2), ('x,y\n"u"v', 2), ('x,y\n"u,v\nw,x\nz', 4)])
def test_a_file_cut_off_in_a_record_is_refused(content, line):
    with pytest.raises(Refused, match=f"log.csv: line {line}: "):
        careful(content)


def test_a_record_over_a_block_s_end_waits_for_the_next_block():
    found, _, _, rest = careful('x,y\n"u\nv', last=False)
    assert found == [("x", "y")]
    assert rest == b'"u\nv'


def test_lines_are_physical_over_blocks_quotes_and_blank_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "BLOCK", 37)
    path = tmp_path / "log.csv"
    records = [f'"{n}\n{n}",y' if n % 7 == 0 else f"{n},y\n" if n % 5 == 0 else f"{n},y" for n in range(2000)]
    path.write_text("a,b\n" + "\n".join(records) + "\n")
    layout = read_layout(path, ",", ["a"])
    lines = path.read_text().split("\n")
    seen = 0
    for rows in read_rows(path, layout, [0]):
        for value, line in zip(rows.columns[0], rows.lines, strict=True):
            assert lines[line - 1].lstrip('"').split(",")[0] == str(value).split("\n")[0]
            seen += 1
        assert rows.faults == []
    assert seen == 2000


def test_the_delimiter_is_the_one_that_finds_the_columns(tmp_path):
    path = tmp_path / "log.csv"
    for mark in (",", "\t", ";", "|"):
        path.write_text(f'"a"{mark}"x,y"{mark}b\n1{mark}2{mark}3\n')
        assert read_layout(path, (",", "\t", ";", "|"), ["a", "b"]) == Layout(mark, ("a", "x,y", "b"), 1)
