"""CSV by the letter of RFC 4180, record by record: every line is part of a record or is named as bad."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.batches import Fault
from recsys_cl.ingest.reading.text import LONGEST, Block, blocks

_OPEN_QUOTE = "unexpected end of data"  # what the csv module says of a quoted field that does not end
_TOO_LONG = "field larger than field limit"
_ENDLESS = "a quoted field never ends"

DELIMITERS = (",", "\t", ";", "|")
_HEADER_LINES = 100  # more than any header takes
_PATIENCE = 4 * LONGEST  # characters of one block that may be read again because of quotes that end nowhere
csv.field_size_limit(LONGEST)  # the module's own 131,072 would make a long text in some other column a bad row


_Found = tuple[int, int, list[str] | str]  # first line, line after, the fields or what is wrong with them


@dataclass(frozen=True, slots=True)
class Layout:
    """How one file is laid out."""

    delimiter: str
    header: tuple[str, ...]
    lines: int  # that the header takes


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some rows of a file: the columns asked for, by position, the line each row begins on, and the rows that are none."""

    columns: dict[int, Any]  # lists or arrow arrays of text
    lines: Any  # a list or array of the same length
    faults: list[Fault] = field(default_factory=list)


def check_delimiter(text: str, key: str) -> str:
    """The text, if it can divide fields; ``key`` is where it was given."""
    if len(text) != 1 or not text.isascii() or text in '"\r\n\0':
        raise Refused(f"{key}: one ASCII character other than a quote or line end, got {text!r}")
    return text


def read_layout(path: Path, delimiters: Sequence[str], wanted: Sequence[str]) -> Layout:
    """The header, split by the one of ``delimiters`` that finds most of the ``wanted`` names (the first, if none does)."""
    lines = [line + "\n" for line in next(blocks(path)).data.decode().split("\n", _HEADER_LINES)]
    layouts = []
    for delimiter in delimiters:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            layouts.append(Layout(delimiter, tuple(next(reader)), reader.line_num))
        except csv.Error as error:
            reason = error
    if not layouts:
        raise Refused(f"{path}: line 1: the header is not CSV: {reason}")
    return max(layouts, key=lambda layout: len(set(layout.header) & set(wanted)))


def careful_rows(path: Path, block: Block, layout: Layout, wanted: Sequence[int]) -> tuple[Rows, bytes]:
    """The rows of a block, and the bytes of a last record that goes on in the next block.

    A record that is not CSV costs its first line only: what an unpaired quote would have swallowed is read again.

    Raises:
        Refused: cut off in its last line, or so many unpaired quotes that it is no CSV.
    """
    lines = _physical_lines(block)
    records: list[tuple[int, list[str]]] = []
    faults: list[Fault] = []
    end = 0
    for begin, after, found in _scan(path, lines, layout, block):
        end = after
        if isinstance(found, list):
            records.append((block.line + begin, found))
        else:
            faults.append((block.line + begin, "record", found))
    if block.last:
        _refuse_cut_off(path, block, lines, faults)
    columns = {position: [record[position] for _, record in records] for position in wanted}
    return Rows(columns, [number for number, _ in records], faults), "".join(lines[end:]).encode()


def _scan(path: Path, lines: Sequence[str], layout: Layout, block: Block) -> Iterator[_Found]:
    """Each record and each line that is none; stops before a record that goes on in the next block."""
    sizes = list(accumulate(map(len, lines), initial=0))
    begin = wasted = 0
    while begin < len(lines):
        stop = min(bisect_right(sizes, sizes[begin] + LONGEST), len(lines))  # a record may not be longer
        first = begin
        begin, after, trouble = yield from _records(lines, begin, stop, layout)
        if not trouble:
            continue
        wasted += sizes[after] - sizes[begin]
        if wasted > _PATIENCE:
            raise Refused(f"{path}: line {block.line + begin}: one of very many unpaired quotes; is this CSV?")
        if trouble == _OPEN_QUOTE and stop == len(lines) and not block.last:
            return
        if trouble == _OPEN_QUOTE and stop < len(lines) and begin > first:
            continue  # the record began just before the stop: it gets its full length
        yield begin, begin + 1, _ENDLESS if trouble in (_OPEN_QUOTE, _TOO_LONG) else trouble
        begin += 1


def _records(lines: Sequence[str], begin: int, stop: int, layout: Layout) -> Generator[_Found, None, tuple[int, int, str]]:
    """The records from ``begin`` on, up to one that is none: returns where that begins, how far it was read, and why."""
    offset = begin
    reader = csv.reader(map(lines.__getitem__, range(begin, stop)), delimiter=layout.delimiter, strict=True)
    try:
        for record in reader:
            after = offset + reader.line_num
            if len(record) != len(layout.header) and after - begin > 1:
                return begin, after, f"{len(record)} fields in {after - begin} lines where the header has {len(layout.header)}"
            if record:
                yield begin, after, _judged(record, layout)
            begin = after
    except csv.Error as error:
        return begin, min(offset + reader.line_num, stop), str(error).partition(" - ")[0].partition(" (")[0]
    return begin, begin, ""


def _judged(record: list[str], layout: Layout) -> list[str] | str:
    width = len(layout.header)
    return record if len(record) == width else f"{len(record)} fields where the header has {width}"


def _physical_lines(block: Block) -> list[str]:
    lines = [line + "\n" for line in block.data.decode().split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _refuse_cut_off(path: Path, block: Block, lines: Sequence[str], faults: Sequence[Fault]) -> None:
    """A last line that is both unfinished and unreadable means a file that was not written to its end."""
    if faults and not lines[-1].endswith("\n") and faults[-1][0] == block.line + len(lines) - 1:
        raise Refused(f"{path}: line {faults[-1][0]}: the file is cut off here ({faults[-1][2]})")
