"""CSV at the speed of the disk: whole blocks at once where every line is a plain record, with care where not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from recsys_cl.ingest.reading.records import Layout, Rows, careful_rows
from recsys_cl.ingest.reading.text import BOM, Block, blocks


def read_rows(path: Path, layout: Layout, wanted: Sequence[int]) -> Iterator[Rows]:
    """Every record after the header, in order; ``wanted`` are the positions of the columns to keep."""
    rest, line, header = b"", 1, layout.lines
    for block in blocks(path):
        data = rest + block.data
        for _ in range(header):
            data = data.partition(b"\n")[2]
        line, header = line + header, 0
        rows, rest = plain_rows(data, line, layout, wanted), b""
        if rows is None:
            rows, rest = careful_rows(path, Block(data, line, block.last), layout, wanted)
        line += data.count(b"\n") - rest.count(b"\n")
        yield rows


def plain_rows(data: bytes, line: int, layout: Layout, wanted: Sequence[int]) -> Rows | None:
    """All rows of a block in which every line is one whole record, plainly quoted; None if it is not like that."""
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    if data.count(b"\r") != data.count(b"\r\n") or (b'"' in data and not _plainly_quoted(data, layout.delimiter)):
        return None
    if data.startswith(BOM):  # text here, but Arrow would drop it
        return None
    kept = [str(position) for position in wanted]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            arrow_csv.ReadOptions(column_names=[str(position) for position in range(len(layout.header))]),
            arrow_csv.ParseOptions(delimiter=layout.delimiter, double_quote=False),
            arrow_csv.ConvertOptions(include_columns=kept, column_types=dict.fromkeys(kept, pa.string()), check_utf8=False),
        )
    except pa.ArrowInvalid:  # no rows, rows of several widths, or longer ones than fit
        return None
    if table.num_rows != count:  # some record takes two lines, or some line holds none
        return None
    return Rows({position: table[str(position)] for position in wanted}, np.arange(line, line + count))


def _plainly_quoted(data: bytes, delimiter: str) -> bool:
    """Whether quotes, in turn, open just after a separator and close just before one; doubled ones are not plain."""
    text = np.frombuffer(b"\n" + data + b"\n", dtype=np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    separators = np.frombuffer((delimiter + "\r\n").encode(), dtype=np.uint8)
    opens, closes = quotes[0::2], quotes[1::2]
    return len(opens) == len(closes) and all(
        bool(np.isin(text[beside], separators).all()) for beside in (opens - 1, closes + 1)
    )
