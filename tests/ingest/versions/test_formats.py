"""Data sets of every format that was ever written stay readable, and keep their digest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_json, write_json
from recsys_cl.ingest.versions.manifest import read_version, version_file
from recsys_cl.ingest.versions.verify import verify

from .conftest import Keeper

FIXTURES = Path(__file__).parent / "fixtures"
DIGESTS = {
    "format1": (
        "d3da3b793d2debb69e43cc1c3a08b7442b9c6450d627a25ce182f6515b258bb4",
        "83f4fe24b9fb6bfddee8162a2a2fcb30438a6a853a0bbcb761193f2462006d83",
    ),
}


@pytest.mark.parametrize("name", DIGESTS)
def test_it_is_whole_and_can_be_added_to(name: str, keeper: Keeper) -> None:
    shutil.copytree(FIXTURES / name, keeper.set)
    assert tuple(read_version(keeper.set, number).digest for number in (1, 2)) == DIGESTS[name]
    assert verify(keeper.set)["rows"] == 7
    again = keeper.log("a.csv", "user_id,item_id,timestamp,rating,event\nu1,i1,1600000000,4.0,buy\nu9,i9,1600000000,,\n")
    added = keeper.add(again)
    assert (added["rows_kept"], added["rows_deduplicated"], added["version"]) == (1, 1, 3)


def test_a_format_of_the_future_is_refused_by_name(keeper: Keeper) -> None:
    shutil.copytree(FIXTURES / "format1", keeper.set)
    path = version_file(keeper.set, 2)
    described = {**json.loads(path.read_text()), "format": 9}
    body = {key: value for key, value in described.items() if key != "seal"}
    write_json(path, {**body, "seal": digest_json(body)})
    with pytest.raises(Refused, match=r"00000002\.json: of format 9"):
        read_version(keeper.set)
