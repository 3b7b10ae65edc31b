"""Archives that could do harm are refused before a byte of them is written."""

from __future__ import annotations

import gzip
import io
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.public.extraction import extract

Make = Callable[[Path], None]


def zipped(*members: tuple[str, bytes], mode: int = 0) -> Make:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                info = zipfile.ZipInfo(name)
                info.external_attr = mode << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, content)

    return make


def tarred(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", *, times: int = 1, mode: str = "w:gz") -> Make:
    def make(path: Path) -> None:
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            for member in [name] * times:
                info = tarfile.TarInfo(member)
                info.type, info.linkname, info.size = kind, target, 5 if kind == tarfile.REGTYPE else 0
                archive.addfile(info, io.BytesIO(b"hello") if info.size else None)

    return make


def with_long_name(path: Path) -> None:
    """A member whose name, the archive says, takes 64 MiB: read at once it would be that much memory, or a thousand times it."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 64 << 20
    member = tarfile.TarInfo("a/data.csv")
    member.size = 5
    first = member.tobuf() + b"hello".ljust(512, b"\0")
    path.write_bytes(gzip.compress(first + header.tobuf(tarfile.GNU_FORMAT) + b"a" * header.size + b"\0" * 1024))


def changed(make: Make, change: Callable[[bytes], bytes]) -> Make:
    def remake(path: Path) -> None:
        make(path)
        path.write_bytes(change(path.read_bytes()))

    return remake


GOOD = ("a/data.csv", b"hello")
HARMFUL = {
    "up": (zipped(GOOD, ("../evil", b"x")), "leaves the folder"),
    "up within": (zipped(GOOD, ("a/../../evil", b"x")), "leaves the folder"),
    "absolute": (zipped(GOOD, ("/etc/evil", b"x")), "leaves the folder"),
    "backslashes": (zipped(GOOD, ("..\\evil", b"x")), "leaves the folder"),
    "a drive": (zipped(GOOD, ("C:\\evil", b"x")), "leaves the folder"),
    "a link": (zipped(GOOD, mode=stat.S_IFLNK | 0o777), "is a link"),
    "a device": (zipped(GOOD, mode=stat.S_IFCHR | 0o777), "is a device"),
    "a bomb": (zipped(GOOD, ("big", b"\0" * (64 << 20))), "unpacks to more than"),
    "many small bombs": (zipped(GOOD, *((f"big{n}", b"\0" * (1 << 20)) for n in range(30))), "unpacks to more than"),
    "twice but for case": (zipped(GOOD, ("A/Data.csv", b"other")), "stands twice"),
    "tar: a name of 64 MiB": (with_long_name, "a header of 67108864 bytes"),
    "tar: up": (tarred("../evil"), "leaves the folder"),
    "tar: absolute": (tarred("/etc/evil"), "leaves the folder"),
    "tar: a link": (tarred("a/data.csv", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    "tar: a hard link": (tarred("a/data.csv", tarfile.LNKTYPE, "/etc/passwd"), "is a link"),
    "tar: a device": (tarred("a/data.csv", tarfile.CHRTYPE), "is a device"),
    "tar: a pipe": (tarred("a/data.csv", tarfile.FIFOTYPE), "is a device"),
    "tar: twice": (tarred("a/data.csv", times=2), "stands twice"),
    "cut off": (changed(zipped(GOOD), lambda data: data[:-10]), "cut off"),
    "tar cut off": (changed(tarred("a/data.csv"), lambda data: data[:-20]), "damaged|cut off"),
    "a wrong sum": (changed(zipped(GOOD), lambda data: data.replace(b"hello", b"jello")), "damaged|shorter"),
    "no archive": (lambda path: path.write_bytes(b"hello") and None, "neither a zip nor a tar"),
    "empty": (lambda path: path.write_bytes(b"") and None, "neither a zip nor a tar"),
    "without the member": (zipped(("b.csv", b"x")), "holds no 'a/data.csv'"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_archives_are_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    make, message = HARMFUL[name]
    archive, out = tmp_path / "archive", tmp_path / "out"
    make(archive)
    out.mkdir()
    if name == "a wrong sum":
        make = changed(zipped(GOOD), lambda data: data[:40] + bytes([data[40] ^ 255]) + data[41:])
        make(archive)
    with pytest.raises(Refused, match=message):
        extract(archive, {"a/data.csv": out / "data.csv"})
    assert list(out.iterdir()) == []
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "make",
    [
        zipped(GOOD, ("b", b"x")),
        tarred("a/data.csv"),
        tarred("a/data.csv", mode="w"),
        tarred("a/data.csv", mode="w:xz"),
        tarred("a/data.csv", mode="w:bz2"),
    ],
)
def test_a_member_is_taken_out_by_name_alone(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "archive")
    extract(tmp_path / "archive", {"a/data.csv": tmp_path / "out" / "data.csv"})
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "out").iterdir()] == [("data.csv", b"hello")]


@pytest.mark.parametrize("make", [zipped(GOOD, ("b", b"x" * 1000)), tarred("a/data.csv"), tarred("a/data.csv", mode="w")])
def test_random_damage_is_refused_or_harmless(tmp_path: Path, make: Make) -> None:
    archive, out = tmp_path / "archive", tmp_path / "data.csv"
    make(archive)
    whole = archive.read_bytes()
    chance = random.Random(3)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        archive.write_bytes(data)
        out.unlink(missing_ok=True)
        try:
            extract(archive, {"a/data.csv": out})
        except Refused:
            assert not out.exists()
        assert {path.name for path in tmp_path.iterdir()} <= {"archive", "data.csv"}
