"""Single members of an archive, taken out by name; an archive that could do harm is refused before anything is written."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import atomic_write, read_fault

LARGEST = 50 << 30  # bytes of all members together
RATIO = 200  # times that the members may be larger than the archive; deflate reaches 1,032, data sets 10
_FREE = 1 << 20  # bytes that a small archive may always hold
_CHUNK = 1 << 20
_SIP = 4 << 20
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError,
    OverflowError, KeyError, struct.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """What the archive's own table says of a member."""

    name: str
    size: int
    kind: str  # file, folder, or what makes it harmful


def extract(archive: Path, wanted: Mapping[str, Path], most: int = LARGEST) -> None:
    """Write each member named in ``wanted`` to its path. Nothing else of the archive touches the disk.

    Raises:
        Refused: not an archive, damaged, a member that is absent, or one that leaves its folder, stands twice, is a link or
            a device, or is larger than it says or than could be true.
        Unavailable: the disk failed.
    """
    try:
        with _opened(archive) as content:
            sizes = _inspected(archive, content.members(), most)
            for name, path in wanted.items():
                if name not in sizes:
                    raise Refused(f"{archive.name}: holds no '{name}'")
                with content.open(name) as source, atomic_write(path) as target:
                    _copy(archive, name, source, target, sizes[name])
    except _DAMAGE as error:
        raise Refused(f"{archive.name}: damaged, encrypted or not an archive: {error}") from error
    except OSError as error:  # an offset that no file has
        raise (
            Refused(f"{archive.name}: damaged") if error.errno in (None, errno.EINVAL) else read_fault(archive, error)
        ) from error


def _inspected(archive: Path, members: Iterator[Member], most: int) -> dict[str, int]:
    """The sizes of the files, once every member is harmless."""
    sizes: dict[str, int] = {}
    names: set[str] = set()
    total, limit = 0, min(most, max(_FREE, RATIO * archive.stat().st_size))
    for member in members:
        path = PurePosixPath(member.name.replace("\\", "/"))
        key = str(path).casefold()
        if path.is_absolute() or ".." in path.parts or "\0" in member.name or ":" in member.name:
            raise Refused(f"{archive.name}: member {member.name!r} leaves the folder")
        if member.kind not in ("file", "folder"):
            raise Refused(f"{archive.name}: member {member.name!r} is {member.kind}")
        if key in names and member.kind == "file":
            raise Refused(f"{archive.name}: member {member.name!r} stands twice")
        names.add(key)
        total += member.size
        if total > limit:
            raise Refused(f"{archive.name}: unpacks to more than {limit} bytes, which no honest archive of this size does")
        if member.kind == "file":
            sizes[member.name] = member.size
    return sizes


def _copy(archive: Path, name: str, source: IO[bytes], target: IO[bytes], size: int) -> None:
    written = 0
    while chunk := source.read(_CHUNK):
        written += len(chunk)
        if written > size:
            raise Refused(f"{archive.name}: member {name!r} is larger than it says")
        target.write(chunk)
    if written != size:
        raise Refused(f"{archive.name}: member {name!r} is shorter than it says")


@contextmanager
def _opened(archive: Path) -> Iterator[_Zip | _Tar]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield _Zip(opened)
        return
    with _unpacked(archive) as stream:
        careful: Any = _Sips(stream)
        try:
            packed = tarfile.open(fileobj=careful, mode="r:")  # noqa: SIM115 - an error in here is told otherwise
        except (tarfile.ReadError, EOFError, lzma.LZMAError, zlib.error, OSError) as error:
            raise Refused(f"{archive.name}: neither a zip nor a tar archive, or cut off") from error
        with packed:
            yield _Tar(packed)


def _unpacked(archive: Path) -> IO[bytes]:
    with archive.open("rb") as stream:
        magic = stream.read(6)
    packers: dict[bytes, Callable[[Path], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
    return next((opened(archive) for mark, opened in packers.items() if magic.startswith(mark)), None) or archive.open("rb")


@dataclass(frozen=True, slots=True)
class _Sips:
    """A stream that is never read by more than a few MiB at once: the length of a header's extension is the sender's word."""

    stream: IO[bytes]

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _SIP:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self.stream.read(size)

    def seek(self, place: int) -> int:
        return self.stream.seek(place)

    def tell(self) -> int:
        return self.stream.tell()


@dataclass(frozen=True, slots=True)
class _Zip:
    archive: zipfile.ZipFile

    def members(self) -> Iterator[Member]:
        for info in self.archive.infolist():
            yield Member(info.orig_filename, info.file_size, self._kind(info))

    def open(self, name: str) -> IO[bytes]:
        return self.archive.open(name)

    @staticmethod
    def _kind(info: zipfile.ZipInfo) -> str:
        mode = stat.S_IFMT(info.external_attr >> 16)
        if mode == stat.S_IFLNK:
            return "a link"
        if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
            return "a device"
        return "folder" if info.is_dir() else "file"


@dataclass(frozen=True, slots=True)
class _Tar:
    archive: tarfile.TarFile

    def members(self) -> Iterator[Member]:
        for info in self.archive:
            kind = (
                "folder"
                if info.isdir()
                else "a link"
                if info.issym() or info.islnk()
                else "file"
                if info.isreg()
                else "a device"
            )
            yield Member(info.name, info.size, kind)

    def open(self, name: str) -> IO[bytes]:
        stream = self.archive.extractfile(name)
        if stream is None:
            raise Refused(f"member {name!r} is no file")
        return stream
