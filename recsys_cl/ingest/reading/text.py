"""Text files of any size as blocks of whole lines, checked to be what their name says and to be UTF-8."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import read_fault

BLOCK = 8 << 20  # bytes read at a time
LONGEST = 16 << 20  # bytes in one line; more is no log

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_FOREIGN = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"BZh91AY&SY": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Whole lines of one file; the last line of the last block may lack its line end."""

    data: bytes  # UTF-8, without a byte order mark
    line: int  # physical number, from 1, of the first line
    last: bool


def blocks(path: Path) -> Iterator[Block]:
    """The file's lines in blocks of about 8 MiB, unpacked if its name ends in .gz or .zst.

    Raises:
        Refused: empty, truncated, mislabelled, not UTF-8, or a line without end; names the line where there is one.
        Unavailable: the disk failed.
    """
    line, packing = 1, path.suffix.lower()
    try:
        with _unpacked(path) as stream:
            rest = _opening(path, stream)
            while chunk := stream.read(BLOCK):
                whole, newline, rest = (rest + chunk).rpartition(b"\n")
                if newline:
                    yield _checked(path, Block(whole + newline, line, last=False))
                    line += whole.count(b"\n") + 1
                if len(rest) > LONGEST:
                    raise Refused(f"{path}: line {line} is longer than {LONGEST >> 20} MiB")
            yield _checked(path, Block(rest, line, last=True))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Refused(f"{path}: the compressed data is truncated or damaged near line {line}") from error
    except OSError as error:
        if packing == ".zst" and error.errno is None:
            raise Refused(f"{path}: the compressed data is truncated or damaged near line {line}") from error
        raise read_fault(path, error) from error


def opening(path: Path) -> bytes:
    """The first bytes of a file, unpacked by its name; none where they cannot be: ``blocks`` will say why."""
    try:
        with _unpacked(path) as stream:
            return bytes(stream.read(1 << 12))
    except (Refused, EOFError, zlib.error, gzip.BadGzipFile):
        return b""
    except OSError as error:
        if error.errno is None:  # Arrow's word for damage
            return b""
        raise


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes] | Any]:
    packing = path.suffix.lower()
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if packing == ".gz" and magic.startswith(_GZIP):
            with gzip.open(raw) as stream:
                yield stream
        elif packing == ".zst" and magic == _ZSTD:
            with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as stream:
                yield stream
        elif packing in (".gz", ".zst") and magic:
            raise Refused(f"{path}: not a {packing[1:]} file, whatever its name says")
        else:
            yield raw


def _opening(path: Path, stream: IO[bytes]) -> bytes:
    """The first bytes, once they look like text."""
    head = stream.read(1 << 12)
    if not head.removeprefix(BOM).strip():
        raise Refused(f"{path}: the file is empty" if len(head) < 1 << 12 else f"{path}: the file begins with 4 KiB of blanks")
    for magic, kind in _FOREIGN.items():
        if head.startswith(magic):
            raise Refused(f"{path}: {kind}, whatever its name says")
    if not head.strip(b"\0"):
        raise Refused(f"{path}: line 1: zero bytes, not UTF-8 text")
    if head.startswith(_UTF16) or _every_other_is_zero(head):
        raise Refused(f"{path}: line 1: not UTF-8 (it looks like UTF-16)")
    return head.removeprefix(BOM)


def _every_other_is_zero(head: bytes) -> bool:
    """How UTF-16 without a mark shows itself. Zeros after a power cut come in one piece, and are told apart by the line."""
    text = head.rstrip(b"\0")
    return any(text[odd::2].count(0) * 2 > len(text[odd::2]) > 0 for odd in (0, 1))


def _checked(path: Path, block: Block) -> Block:
    try:
        block.data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = block.line + block.data.count(b"\n", 0, error.start)
        raise Refused(f"{path}: line {line}: not UTF-8 (byte 0x{block.data[error.start]:02x})") from error
    return block
