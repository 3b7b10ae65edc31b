"""What a command line says of logs is checked before anything is opened, and the message names the option."""

from __future__ import annotations

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.versions.options import allowance, delimiter, mapping, settings

from .conftest import HEADER, Keeper

CENTURY = 36_525 * 86_400 * 1_000_000


@pytest.mark.parametrize("given", [["user_id"], ["=x"], ["user_id="], ["user_id=a,user_id=b"], ["user_id=a", "user_id=a"]])
def test_columns_that_are_none_or_twice(given: list[str]) -> None:
    with pytest.raises(Refused, match=r"^--columns .*(expected OURS=THEIRS|is 'a' already)"):
        mapping(given)


def test_a_column_that_the_contract_lacks_is_named_by_the_option() -> None:
    with pytest.raises(Refused, match=r"^--columns usr_id: no such column in the contract; did you mean 'user_id'\?"):
        mapping(["usr_id=x"])


@pytest.mark.parametrize("text", ["", "ab", "é", '"', "\n", "\r", "\0", r"\n"])
def test_what_divides_nothing(text: str) -> None:
    with pytest.raises(Refused, match=r"^--delimiter: one ASCII character"):
        delimiter(text)


def test_what_divides_fields() -> None:
    assert [delimiter(text) for text in (None, "^", "\t", r"\t", " ")] == [None, "^", "\t", "\t", " "]


@pytest.mark.parametrize("given", [{"memory_limit": text} for text in ("0GB", "0.0MB", "-1GB", "2 GB", "1KB", "GB", "inf")])
def test_memory_that_is_none(given: dict[str, str]) -> None:
    with pytest.raises(Refused, match="--memory-limit"):
        settings(given)


@pytest.mark.parametrize("text", ["2GB", "0.5GB", ".5GiB", "300MB", "10GiB"])
def test_memory(text: str) -> None:
    assert settings({"memory_limit": text}).memory_limit == text


@pytest.mark.parametrize("threads", [0, -1, 1025, 100_000])
def test_no_thread_or_more_than_a_machine_can_start(threads: int) -> None:
    with pytest.raises(Refused, match="--threads"):
        settings({"threads": threads})


def test_an_allowance_longer_than_all_of_time_makes_nothing_late(keeper: Keeper) -> None:
    assert allowance("36525d") == CENTURY
    forever = allowance("9" * 300 + "d")
    assert CENTURY < forever < 1 << 62
    keeper.add(keeper.log("a.csv", [("u", "i", 1_600_000_000)]))
    again = keeper.add(keeper.log("b.csv", HEADER + "u,j,0\n"), allowance=forever)
    assert (again["rows_kept"], again["late"]) == (1, 0)
