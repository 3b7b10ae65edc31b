"""What is shown is one line, bounded, in reading order; what is no number is never printed as one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.reporting.table import form, simple
from recsys_cl.reporting.text import ABSENT, LONGEST, compact, figure, percent, plain, typeset

NONE = [None, math.nan, math.inf, -math.inf]


@given(st.text())
def test_plain_text_is_one_bounded_line_of_visible_characters(text: str) -> None:
    shown = plain(text)
    assert len(shown) <= LONGEST
    assert shown.isprintable()


def test_long_text_is_cut_and_control_characters_go() -> None:
    assert len(plain("x" * 10_000)) == LONGEST
    assert plain("a\nb\x00c") == "a b c"
    assert plain("\u202egnp.exe") == " gnp.exe"


@pytest.mark.parametrize("value", NONE)
def test_what_is_no_number_is_a_dash(value: float | None) -> None:
    assert figure(value) == compact(value) == percent(value) == ABSENT
    assert simple(["a", "b"], [["x", value], ["y", 1.0]]).rows[0][1].text == ABSENT
    assert simple(["a", "b"], [["x", value], ["y", 1.0]]).rows[0][1].key is None


def test_numbers_are_typeset() -> None:
    assert figure(-0.5) == "\u22120.5000"
    assert compact(1234567) == "1,234,567"
    assert compact(12345.6) == "12,346"
    assert percent(0.0312, ".2f") == "3.12\u00a0%"
    assert (
        typeset("sasrec-softmax at -1.5 % [-3, 2] of 2024-01-02")
        == "sasrec-softmax at \u22121.5\u00a0% [\u22123,\u00a02] of 2024-01-02"
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 20, 300], ",.0f"),
        ([0.5, 0.25], ",.4f"),
        ([1.5, None], ",.3f"),
        ([12.0, -99.5], ",.2f"),
        ([123456.0], ",.0f"),
        ([], ",.0f"),
        ([2.9e-7, 1e-8], ".2e"),
    ],
)
def test_a_column_has_one_form_so_that_digits_align(values: list[float | None], expected: str) -> None:
    assert form(values) == expected
