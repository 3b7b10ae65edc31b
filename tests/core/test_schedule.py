"""A cron line that nobody could keep is refused where it is written, with or without a scheduler installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_cl.config import load_pipeline
from recsys_cl.core.errors import Refused
from recsys_cl.core.schedule import NAMED, check_cron

GOOD = ["30 2 * * *", "*/15 * * * *", "0 0 1,15 * *", "0 9-17/2 * jan-mar mon-fri", "0 0 29 2 *", "5/10 * * * 7", "0 0 31 2 1"]


@pytest.mark.parametrize("line", [*GOOD, *NAMED])
def test_a_line_that_cron_keeps_is_kept(line: str) -> None:
    assert check_cron(line) == line


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "has 0 fields"),
        ("30 2 * *", "has 4 fields"),
        ("60 * * * *", "minute: '60' is not from 0 to 59"),
        ("* * 0 * *", "day of the month: '0' is not from 1 to 31"),
        ("* * * 13 *", "month: '13' is not from 1 to 12"),
        ("* * * * 8", "day of the week: '8' is not from 0 to 7"),
        ("* * * foo *", "month: 'foo'"),
        ("5-1 * * * *", "minute: '5-1' goes backwards"),
        ("*/0 * * * *", r"minute: '\*/0' is no range"),
        ("1,,2 * * * *", "minute: '' is no number"),
        ("\u0663 * * * *", "minute: '\u0663' is no number"),
        ("0 0 31 2 *", "none of these months has a day 31"),
        ("@nightly", "'@nightly' is none of @hourly"),
    ],
)
def test_what_no_clock_can_keep_is_refused(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_cron(line)


PIPELINE = """
name = "small"
[ingest.source]
use = "synthetic"
[prepare]
[[experiments]]
recipe = "mf-bpr"
[schedule]
cron = "{cron}"
"""


def test_the_key_and_its_line_are_named(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(PIPELINE.format(cron="61 2 * * *"))
    with pytest.raises(Refused, match=r"small.toml:9: schedule\.cron: minute: '61' is not from 0 to 59"):
        load_pipeline(path)
    path.write_text(PIPELINE.format(cron="30 2 * * *") + 'timezone = "Europe/Berlni"\n')
    with pytest.raises(Refused, match=r"schedule\.timezone: 'Europe/Berlni' is no time zone; did you mean 'Europe/Berlin'\?$"):
        load_pipeline(path)
    path.write_text(PIPELINE.format(cron="30 2 * * *") + '[schedule.append]\ninput = "logs/{day}.csv"\nsince = "2026-11-01"\n')
    with pytest.raises(Refused, match=r"schedule\.append: days are added to a data set"):
        load_pipeline(path)
