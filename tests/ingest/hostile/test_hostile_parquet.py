"""Parquet of every hostile kind: kept, quarantined with its row, or refused by file and column."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ingest.hostile.case import Case, expected, outcome
from tests.ingest.hostile.parquet_cases import CASES

ALL = [pytest.param(case, id=f"{kind}: {case.name}") for kind, cases in CASES.items() for case in cases]


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL)
def test_parquet(ingest: Any, case: Case) -> None:
    assert outcome(case, ingest) == expected(case)
