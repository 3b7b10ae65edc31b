"""CSV by the letter of RFC 4180, record by record: every line is part of a record or is named as bad."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.batches import Fault
from recsys_cl.ingest.reading.text import Block, blocks

_OPEN_QUOTE = "unexpected end of data"  # what the csv module says of a quoted field that does not end

DELIMITERS = (",", "\t", ";", "|")
_HEADER_LINES = 100  # more than any header takes


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
    """
    lines = _physical_lines(block)
    records: list[tuple[int, list[str]]] = []
    faults: list[Fault] = []
    end = 0
    for begin, after, found in _scan(lines, layout.delimiter):
        end = after
        if isinstance(found, list) and len(found) == len(layout.header):
            records.append((block.line + begin, found))
        elif found:
            reason = found if isinstance(found, str) else f"{len(found)} fields where the header has {len(layout.header)}"
            faults.append((block.line + begin, "record", reason))
    if block.last and end < len(lines):
        raise Refused(f"{path}: line {block.line + end}: a quoted field never ends; is the file truncated?")
    if block.last:
        _refuse_cut_off(path, block, lines, faults)
    columns = {position: [record[position] for _, record in records] for position in wanted}
    return Rows(columns, [number for number, _ in records], faults), "".join(lines[end:]).encode()


def _scan(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, int, list[str] | str]]:
    """(first line, line after, fields or what is wrong with them) of each record; stops before one that does not end."""
    begin = end = 0
    while begin < len(lines):
        reader = csv.reader(map(lines.__getitem__, range(begin, len(lines))), delimiter=delimiter, strict=True)
        offset = begin
        try:
            for record in reader:
                end = offset + reader.line_num
                yield begin, end, record
                begin = end
        except csv.Error as error:
            if str(error) == _OPEN_QUOTE:
                return
            yield begin, begin + 1, str(error).partition(" - ")[0]
            begin += 1


def _physical_lines(block: Block) -> list[str]:
    lines = [line + "\n" for line in block.data.decode().split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _refuse_cut_off(path: Path, block: Block, lines: Sequence[str], faults: Sequence[Fault]) -> None:
    """A last line that is both unfinished and unreadable means a file that was not written to its end."""
    if faults and not lines[-1].endswith("\n") and faults[-1][0] == block.line + len(lines) - 1:
        raise Refused(f"{path}: line {faults[-1][0]}: the file is cut off here ({faults[-1][2]})")
