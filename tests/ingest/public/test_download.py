"""What arrives is what was promised, however the transfer went."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.ingest.public.download import download

BYTES = random.Random(1).randbytes(300_000)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_and_is_not_fetched_again(site: Any, tmp_path: Path) -> None:
    url, digest = site.put("a.zip", BYTES)
    for _ in range(2):
        download(url, tmp_path / "in" / "a.zip", digest)
    assert (tmp_path / "in" / "a.zip").read_bytes() == BYTES
    assert left(tmp_path / "in") == ["a.zip"]
    assert site.asked == [None]


def test_a_broken_transfer_goes_on_where_it_stopped(site: Any, tmp_path: Path) -> None:
    url, digest = site.put("a.zip", BYTES)
    site.cut = [100_000, 50_000]
    download(url, tmp_path / "a.zip", digest)
    assert (tmp_path / "a.zip").read_bytes() == BYTES
    assert site.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_another_call_goes_on_where_the_first_gave_up(site: Any, tmp_path: Path) -> None:
    url, digest = site.put("a.zip", BYTES)
    site.cut = [10_000] * 5
    with pytest.raises(Unavailable, match="the same command goes on from here"):
        download(url, tmp_path / "a.zip", digest)
    assert not (tmp_path / "a.zip").exists()
    download(url, tmp_path / "a.zip", digest)
    assert (tmp_path / "a.zip").read_bytes() == BYTES
    assert site.asked[-1] == "bytes=50000-"


def test_another_version_of_the_file_begins_again(site: Any, tmp_path: Path) -> None:
    url, _ = site.put("a.zip", BYTES[::-1])
    site.cut, site.status = [100_000], [200, 404]
    with pytest.raises(Refused, match="404"):
        download(url, tmp_path / "a.zip", "0" * 64)
    url, digest = site.put("a.zip", BYTES)
    site.tag = '"two"'
    download(url, tmp_path / "a.zip", digest)
    assert (tmp_path / "a.zip").read_bytes() == BYTES


def test_a_server_without_ranges_begins_again(site: Any, tmp_path: Path) -> None:
    url, digest = site.put("a.zip", BYTES)
    site.ranges, site.cut = False, [100_000]
    download(url, tmp_path / "a.zip", digest)
    assert (tmp_path / "a.zip").read_bytes() == BYTES


def test_a_part_that_is_whole_is_not_fetched_again(site: Any, tmp_path: Path) -> None:
    url, digest = site.put("a.zip", BYTES)
    (tmp_path / ".a.zip.part").write_bytes(BYTES)
    download(url, tmp_path / "a.zip", digest)
    assert left(tmp_path) == ["a.zip"]
    assert site.asked == []


@pytest.mark.parametrize("wrong", [BYTES[:-1] + b"x", BYTES + b"x", BYTES[:-1], b"", b"<html>Sign in</html>"])
def test_wrong_bytes_never_take_the_name_and_are_not_gone_on_with(site: Any, tmp_path: Path, wrong: bytes) -> None:
    url, digest = site.put("a.zip", BYTES)
    site.put("a.zip", wrong)
    with pytest.raises(Refused, match=r"a\.zip: the bytes are not what they should be.*expected " + digest):
        download(url, tmp_path / "a.zip", digest)
    assert not (tmp_path / "a.zip").exists()
    site.put("a.zip", BYTES)
    site.tag = '"right"'
    download(url, tmp_path / "a.zip", digest)
    assert (tmp_path / "a.zip").read_bytes() == BYTES


def test_a_damaged_file_under_the_name_is_replaced(site: Any, tmp_path: Path) -> None:
    url, digest = site.put("a.zip", BYTES)
    (tmp_path / "a.zip").write_bytes(BYTES[:-1])
    download(url, tmp_path / "a.zip", digest)
    assert (tmp_path / "a.zip").read_bytes() == BYTES


@pytest.mark.parametrize(("status", "error"), [(404, Refused), (403, Refused), (503, Unavailable)])
def test_what_the_server_says(site: Any, tmp_path: Path, status: int, error: type[Exception]) -> None:
    url, digest = site.put("a.zip", BYTES)
    site.status = [status] * 5
    with pytest.raises(error, match=str(status)):
        download(url, tmp_path / "a.zip", digest)


def test_a_server_that_is_not_there(site: Any, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"refused.*the same command goes on"):
        download("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", "0" * 64)


def test_a_passing_fault_of_the_server_is_passed_over(site: Any, tmp_path: Path) -> None:
    url, digest = site.put("a.zip", BYTES)
    site.status = [503, 500]
    download(url, tmp_path / "a.zip", digest)
    assert (tmp_path / "a.zip").read_bytes() == BYTES


def test_a_redirection_is_followed_but_not_to_another_kind_of_address(site: Any, tmp_path: Path) -> None:
    url, digest = site.put("a.zip", BYTES)
    site.elsewhere = {"/old.zip": url, "/file": "file:///etc/hostname"}
    download(f"{site.address}/old.zip", tmp_path / "a.zip", digest)
    with pytest.raises((Refused, Unavailable)):
        download(f"{site.address}/file", tmp_path / "b.zip", digest)
    assert left(tmp_path) == ["a.zip"]


def test_a_full_disk_names_the_path_and_the_space(site: Any, tmp_path: Path) -> None:
    url, digest = site.put("a.zip", BYTES)
    (tmp_path / "in").write_text("in the way")
    with pytest.raises(Unavailable, match=r"cannot write .*in/a\.zip.*MiB free"):
        download(url, tmp_path / "in" / "a.zip", digest)
