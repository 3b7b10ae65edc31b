"""Any flipped bit and any truncation of a committed file is found, and named."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.versions.manifest import read_version, version_file
from recsys_cl.ingest.versions.verify import verify

from .conftest import Keeper, log_of


@pytest.fixture
def whole(keeper: Keeper) -> Keeper:
    rows = log_of(300)
    for number in range(2):
        keeper.add(keeper.log(f"{number}.csv", rows[number::2]))
    return keeper


def committed(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]


def test_a_whole_one_is_whole(whole: Keeper) -> None:
    found = verify(whole.set)
    assert (found["versions"], found["parts"], found["version"]) == (2, 2, 2)
    assert found["digest"] == read_version(whole.set).digest


def test_every_one_of_100_random_flips_is_found_and_named(whole: Keeper) -> None:
    rng, files = random.Random(5), committed(whole.set)
    for _ in range(100):
        path = rng.choice(files)
        content = path.read_bytes()
        place = rng.randrange(len(content))
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(Refused) as caught:
            verify(whole.set)
        assert path.name in str(caught.value)
        path.write_bytes(content)
    verify(whole.set)


def test_every_bit_of_a_description_counts(whole: Keeper) -> None:
    path = version_file(whole.set, 2)
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(Refused, match="damaged"):
                read_version(whole.set)
    path.write_bytes(content)


def test_truncated_missing_and_foreign_files(whole: Keeper) -> None:
    for path in committed(whole.set):
        if path == version_file(whole.set, 2):
            continue  # the newest version taken away is the version before, as if it had never been
        content = path.read_bytes()
        for kept in (0, 1, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:kept])
            with pytest.raises(Refused, match=path.name):
                verify(whole.set)
        path.unlink()
        if path != version_file(whole.set, 1):
            with pytest.raises(Refused, match=path.name):
                verify(whole.set)
        path.write_bytes(content)
    verify(whole.set)


def test_damage_is_found_before_use(whole: Keeper) -> None:
    (part, *_) = sorted((whole.set / "parts").iterdir())
    rows = part / "interactions.parquet"
    content = bytearray(rows.read_bytes())
    content[len(content) // 2] ^= 4
    rows.write_bytes(content)
    with pytest.raises(Refused, match=r"interactions\.parquet: damaged"):
        whole.add(whole.log("late.csv", log_of(50, seed=2)))


def test_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not a data set"):
        verify(tmp_path)
