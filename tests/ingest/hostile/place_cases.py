"""Files packed, mislabelled and damaged; folders, globs, links and whatever else a path can name."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from tests.ingest.hostile.case import GOOD, HEADER, ROW, Case, Content

LOG = HEADER + GOOD
ROWS = HEADER + "".join(f"u{n},i,{n}\n" for n in range(5000))
MANY = [(f"u{n}", "i", n) for n in range(5000)]
OTHER = HEADER + "v,j,2\n"
BOTH = [ROW, ("v", "j", 2)]


def zstd(text: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text.encode())
    return sink.getvalue().to_pybytes()


def gz(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def _one(name: str, file: str, content: Content, *rows: tuple[object, ...], refused: str = "", use: str = "") -> Case:
    return Case(name, {file: content}, rows, refused=refused, use=use)


def _flip(data: bytes, at: float) -> bytes:
    place = int(len(data) * at)
    return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


DAMAGED = "compressed data is truncated or damaged"
PACKED = [
    _one("gzip", "log.csv.gz", gz(ROWS), *MANY),
    _one("zstd", "log.csv.zst", zstd(ROWS), *MANY),
    _one("gzip of lines", "log.jsonl.gz", gz('{"user_id":"u","item_id":"i","timestamp":1}\n'), ROW),
    _one("gzip members one after the other", "log.csv.gz", gz(LOG) + gz("v,j,2\n"), *BOTH),
    _one("gzip members cut within a line", "log.csv.gz", gz(LOG + "v,") + gz("j,2\n"), *BOTH),
    _one("an empty gzip member between", "log.csv.gz", gz(LOG) + gz("") + gz("v,j,2\n"), *BOTH),
    _one("zstd frames one after the other", "log.csv.zst", zstd(LOG) + zstd("v,j,2\n"), *BOTH),
    _one("zeros after gzip", "log.csv.gz", gz(LOG) + b"\0" * 512, ROW),
    _one("garbage after gzip", "log.csv.gz", gz(LOG) + b"garbage", refused=DAMAGED),
    _one("garbage after zstd", "log.csv.zst", zstd(LOG) + b"garbage", refused=DAMAGED),
    *(_one(f"gzip cut to {share}", "log.csv.gz", gz(ROWS)[: int(len(gz(ROWS)) * share)], refused=DAMAGED) for share in (0.1, 0.5, 0.9, 0.9999)),
    *(_one(f"zstd cut to {share}", "log.csv.zst", zstd(ROWS)[: int(len(zstd(ROWS)) * share)], refused=DAMAGED) for share in (0.1, 0.5, 0.9, 0.9999)),
    *(_one(f"gzip with a bit flipped at {at}", "log.csv.gz", _flip(gz(ROWS), at), refused=DAMAGED) for at in (0.3, 0.6, 0.9, 0.9999)),
    _one("a second gzip member cut off", "log.csv.gz", gz(LOG) + gz(ROWS)[:50], refused=DAMAGED),
    _one("gzip header alone", "log.csv.gz", gz(LOG)[:10], refused=DAMAGED + "|empty"),
    _one("zstd magic alone", "log.csv.zst", zstd(LOG)[:4], refused=DAMAGED + "|empty"),
    _one("gzip of nothing", "log.csv.gz", gz(""), refused="empty"),
    _one("zstd of nothing", "log.csv.zst", zstd(""), refused="empty"),
    _one("no bytes called gzip", "log.csv.gz", b"", refused="empty"),
    _one("gzip in gzip", "log.csv.gz", gzip.compress(gz(LOG)), refused="a gzip file"),
    _one("utf-16 in gzip", "log.csv.gz", gzip.compress(LOG.encode("utf-16")), refused="UTF-16"),
    _one("gzip bomb in one line", "log.csv.gz", gzip.compress(LOG.encode() + b"x" * (64 << 20)), refused="line 3 is longer than 16 MiB"),
    _one("gzip bomb of zeros", "log.csv.gz", gzip.compress(b"\0" * (64 << 20)), refused="."),
]  # fmt: skip

LABELS = [
    _one("text called gzip", "log.csv.gz", LOG, refused="not a gz file, whatever its name says"),
    _one("text called zstd", "log.csv.zst", LOG, refused="not a zst file"),
    _one("zstd called gzip", "log.csv.gz", zstd(LOG), refused="not a gz file"),
    _one("gzip called csv", "log.csv", gz(LOG), refused="a gzip file, whatever"),
    _one("zstd called csv", "log.csv", zstd(LOG), refused="a zstd file, whatever"),
    _one("a spreadsheet called csv", "log.csv", b"PK\x03\x04" + b"\0" * 50, refused="a zip archive, whatever"),
    _one("parquet called csv", "log.csv", b"PAR1" + b"\0" * 50, refused="a Parquet file, whatever"),
    _one("an old spreadsheet called csv", "log.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, refused="."),
    _one("bzip2 called csv", "log.csv", b"BZh91AY&SY" + b"\xff\x80" * 50, refused="a bzip2 file, whatever"),
    _one("a database called csv", "log.csv", b"SQLite format 3\0" + b"\0" * 600, refused="."),
    _one("a picture called csv", "log.csv", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, refused="."),
    _one("a page called csv", "log.csv", "<!DOCTYPE html><html>\n<body>Sign in</body>\n", refused="no column 'user_id'"),
    _one("json lines called csv", "log.csv", '{"user_id":"u","item_id":"i","timestamp":1}\n', refused="no column 'user_id'"),
    _one("csv called parquet", "log.parquet", LOG, refused="not readable as Parquet"),
    _one("parquet called json lines", "log.jsonl", b"PAR1" + b"\0" * 50, refused="a Parquet file"),
    _one("any name will do", "log.dat", LOG, ROW, use="csv"),
    _one("capitals", "LOG.CSV", LOG, ROW),
    _one("packed, in capitals", "LOG.CSV.GZ", gz(ROWS), *MANY, use="csv"),
]  # fmt: skip


def _in(name: str, files: dict[str, Content], *rows: tuple[object, ...], path: str = "in", refused: str = "") -> Case:
    named = {f"in/{file}": content for file, content in files.items()}
    return Case(name, named, rows, path=path, refused=refused, use="csv", contract={"max_bad_fraction": 0.2})


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


PLACES = [
    _in("a folder", {"a.csv": LOG, "b.csv": OTHER}, *BOTH),
    _in("a folder of folders", {"2024/01/a.csv": LOG, "2024/02/a.csv": OTHER}, *BOTH),
    _in("every ending", {"a.csv": LOG, "b.tsv": OTHER.replace(",", "\t"), "c.csv.gz": gz(HEADER + "w,k,3\n"), "d.csv.zst": zstd(HEADER + "x,l,4\n")}, *BOTH, ("w", "k", 3), ("x", "l", 4)),
    _in("endings in capitals", {"a.csv": LOG, "B.CSV": OTHER}, *BOTH),
    _in("what is no log is passed over", {"a.csv": LOG, "README.md": "# logs", "_SUCCESS": "", "a.csv.md5": "0"}, ROW),
    _in("what others hide is passed over", {"a.csv": LOG, "._a.csv": b"\0\5\x16\7", ".a.csv.crc": b"crc", "_temporary/0/a.csv": OTHER, ".git/a.csv": OTHER}, ROW),
    _in("one empty", {"a.csv": LOG, "b.csv": ""}, refused="b.csv: the file is empty"),
    _in("one with a header only", {"a.csv": LOG, "b.csv": HEADER}, ROW),
    _in("one damaged", {"a.csv": LOG, "b.csv.gz": gz(ROWS)[:99]}, refused="b.csv.gz: the " + DAMAGED),
    _in("one without a column", {"a.csv": LOG, "b.csv": "user_id,timestamp\nu,1\n"}, refused="b.csv: no column 'item_id'"),
    _in("columns in another order", {"a.csv": LOG, "b.csv": "timestamp,user_id,item_id\n2,v,j\n"}, *BOTH),
    _in("one with a bom, one without", {"a.csv": "\ufeff" + LOG, "b.csv": OTHER}, *BOTH),
    Case("the same rows in two files", {"in/a.csv": LOG, "in/b.csv": LOG}, [ROW], repeated=1, path="in", use="csv"),
    _in("nothing in the folder", {"notes.txt": "x"}, refused="no file in this folder ends in"),
    _in("a folder called csv", {"x.csv/part-0.csv": LOG}, ROW, path="in/x.csv"),
    _in("an empty folder called csv", {"x.csv": _folder}, refused="no file in this folder", path="in/x.csv"),
    _in("a folder called csv beside a file", {"a.csv": LOG, "x.csv/b.csv": OTHER}, *BOTH),
    _in("a glob", {"a.csv": LOG, "b.csv": OTHER, "c.txt": "x"}, *BOTH, path="in/*.csv"),
    _in("a glob over folders", {"d=1/a.csv": LOG, "d=2/a.csv": OTHER}, *BOTH, path="in/d=*"),
    _in("a glob at any depth", {"1/a.csv": LOG, "1/2/b.csv": OTHER}, *BOTH, path="in/**/*.csv"),
    _in("a glob of files and folders", {"a.csv": LOG, "b/c.csv": OTHER}, *BOTH, path="in/*"),
    _in("a glob of nothing", {"a.csv": LOG}, refused="no file matches", path="in/*.tsv"),
    _in("a name that looks like a glob", {"a[1].csv": LOG}, ROW, path="in/a[1].csv"),
    _in("a name with blanks and quotes", {"a 'b' \"c\".csv": LOG}, ROW),
    _in("a name with a line end", {"a\nb.csv": LOG}, ROW),
    _in("a name that is no utf-8", {os.fsdecode(b"a\xff.csv"): LOG + ",i,1\n"}, refused=r"a\\xff.csv: line 3: user_id"),
    _in("a link to a file", {"z/a.csv": LOG, "b.csv": _link("z/a.csv")}, ROW, path="in/b.csv"),
    _in("a link to a folder", {"z/a.csv": LOG, "y": _link("z")}, ROW, path="in/y"),
    _in("a link to nothing", {"a.csv": LOG, "b.csv": _link("absent.csv")}, refused="b.csv: a link to nothing"),
    _in("a link to nothing, named", {"b.csv": _link("absent.csv")}, refused="b.csv: a link to nothing", path="in/b.csv"),
    _in("a link to itself", {"b.csv": _link("b.csv")}, refused="b.csv: a link to", path="in/b.csv"),
    _in("a folder that links to itself", {"a.csv": LOG, "again": _link(".")}, ROW),
    _in("a pipe", {"b.csv": _pipe}, refused="b.csv: a pipe", path="in/b.csv"),
    _in("a pipe among files", {"a.csv": LOG, "b.csv": _pipe}, refused="b.csv: a pipe"),
    _in("a device", {"b.csv": _link("/dev/zero")}, refused="b.csv: a device", path="in/b.csv"),
    _in("no such file", {"log.csv": LOG}, refused="no such file; did you mean 'log.csv'", path="in/lag.csv"),
    _in("no such folder", {"log.csv": LOG}, refused="no such file, nor its folder", path="on/log.csv"),
    _in("a file where a folder should be", {"log.csv": LOG}, refused="no such file", path="in/log.csv/log.csv"),
    _in("a name too long", {"log.csv": LOG}, refused="File name too long|no such file", path="in/" + "x" * 300 + ".csv"),
    _in("a zero byte in the name", {"log.csv": LOG}, refused="no path|no such file", path="in/a\0.csv"),
]  # fmt: skip

CASES = {"packed": PACKED, "labels": LABELS, "places": PLACES}
