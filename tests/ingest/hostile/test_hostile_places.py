"""Whatever a path may name: packed, mislabelled, damaged, linked, or no file at all."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from recsys_cl.core.errors import Refused, Unavailable
from tests.ingest.hostile.case import GOOD, HEADER, Case, expected, outcome
from tests.ingest.hostile.place_cases import CASES

ALL = [pytest.param(case, id=f"{kind}: {case.name}") for kind, cases in CASES.items() for case in cases]


@pytest.mark.slow
@pytest.mark.timeout(60)  # a pipe that is opened never answers
@pytest.mark.parametrize("case", ALL)
def test_place(ingest: Any, case: Case) -> None:
    assert outcome(case, ingest) == expected(case)


@pytest.mark.parametrize(("code", "error"), [(errno.EACCES, Refused), (errno.EPERM, Refused), (errno.EIO, Unavailable)])
def test_a_file_that_may_not_be_read_is_refused_and_a_disk_that_fails_is_not_its_fault(
    ingest: Any, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    path = ingest.file("log.csv", HEADER + GOOD)
    honest = Path.open

    def failing(self: Path, *arguments: Any, **named: Any) -> Any:
        if self == path:
            raise OSError(code, "the disk says no", str(path))
        return honest(self, *arguments, **named)

    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(error, match=r"log\.csv.*the disk says no"):
        ingest("csv", str(path))
