"""What no format forbids and nobody expects: kept, quarantined, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ingest.hostile.case import Case, expected, outcome
from tests.ingest.hostile.odd_cases import CASES

ALL = [pytest.param(case, id=f"{kind}: {case.name}") for kind, cases in CASES.items() for case in cases]


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL)
def test_odd(ingest: Any, case: Case) -> None:
    assert outcome(case, ingest) == expected(case)
