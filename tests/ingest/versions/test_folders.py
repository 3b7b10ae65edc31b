"""A folder's name is a name: no pattern, no column, no other folder's business; and what cannot be one is refused."""

from __future__ import annotations

import os

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.locate import locate
from recsys_cl.ingest.versions.append import append

from .conftest import Keeper

NAMES = ("o*", "o?", "o[12]", "user_id=o", "o %41'\"\\\n;{1,2}")


@pytest.mark.slow
def test_any_name_will_do_beside_any_other(keeper: Keeper) -> None:
    """Read as a pattern a name would find the rows beside it, too."""
    keeper.add(keeper.log("beside.csv", [("u", "i", 1), ("u", "i", 2), ("w", "k", 3)]), into="o1")
    logs = [keeper.log(f"{n}.csv", [("u", "i", n), ("v", f"i{n}", 9)]) for n in (1, 2)]
    plain = [keeper.add(log, into="plain") for log in logs]
    for name in NAMES:
        for log, expected in zip(logs, plain, strict=True):
            found = keeper.add(log, into=name)
            assert {**found, "path": 0, "quarantine": 0} == {**expected, "path": 0, "quarantine": 0}, name


def test_a_name_that_is_no_text(keeper: Keeper) -> None:
    log = keeper.log("a.csv", [("u", "i", 1)])
    with pytest.raises(Refused, match="is no UTF-8 text"):
        keeper.add(log, into=os.fsdecode(b"o\xff"))
    assert [path.name for path in keeper.logs.parent.iterdir()] == ["logs"], "nothing is left behind"


@pytest.mark.parametrize("into", ["a.csv", "a.csv/set", "nothing"])
def test_a_file_where_the_folder_is_to_be(keeper: Keeper, into: str) -> None:
    log = keeper.log("a.csv", [("u", "i", 1)])
    (keeper.logs / "nothing").symlink_to("absent")
    with pytest.raises(Refused, match="a file is there, where a data set's folder is to be"):
        append(keeper.logs / into, keeper.request(log), lambda _: None)
    assert log.read_text().endswith("u,i,1\n")


def test_another_data_set_among_the_logs_is_named(keeper: Keeper) -> None:
    """Its own may lie there: its files are known to be no logs."""
    keeper.log("a.csv", [("u", "i", 1)])
    own = append(keeper.logs / "own", keeper.request(keeper.logs), lambda _: None)
    again = append(keeper.logs / "own", keeper.request(keeper.logs), lambda _: None)
    assert (own["rows"], again["rows"], again["rows_deduplicated"]) == (1, 1, 1)
    with pytest.raises(Refused, match=f"^{keeper.logs}/own: a data set, not a log"):
        append(keeper.logs / "other", keeper.request(keeper.logs), lambda _: None)
    with pytest.raises(Refused, match=f"^{keeper.logs}/own: a data set, not a log"):
        locate(str(keeper.logs), (".csv", ".parquet"))  # as the sources of a pipeline do
