"""The contract for one row, as relational expressions: which value is wrong, and why. Nothing is mended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recsys_cl.ingest.engine import byte_length
from recsys_cl.ingest.times import timed

if TYPE_CHECKING:
    import ibis.expr.types as ir

LONGEST_ID = 1024  # bytes
END = 4_102_444_800_000_000  # 2100-01-01 in microseconds after 1970
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\z"

_LARGEST = sys.float_info.max  # isinf would be clearer, but Ibis writes it as false for Spark

PLACE = 1 << 44
"""More lines than a file can have, so that ``place = file * PLACE + line`` is one number, and the order of the log."""

CONTROL = "holds a control character"

Rule = tuple[str, str, "ir.BooleanValue"]  # field, reason, whether it is broken
Reasons = Sequence[tuple[str, str]]  # what the verdicts mean, the first of them verdict 1


def judge(raw: ir.Table, unit: str, as_of: int | None) -> tuple[ir.Table, list[tuple[str, str]]]:
    """Every row with its values typed and a verdict, and what the verdicts mean.

    ``fault`` is 0 for a good row, i for the i-th (from 1) pair (field, reason) of the list, -1 where the reader had found
    the row bad and ``field`` and ``reason`` say why. Of several broken rules the first counts. Control characters are
    looked for in rows that are bad anyway; ``ids_of`` does so for the others. ``timestamp`` becomes int64 microseconds
    after 1970 in UTC, ``rating`` and ``weight`` float64; ``file`` and ``line`` become one ``place``.
    """
    import ibis

    rows = timed(raw, unit)
    numbers = {name: _number(rows[name]) for name in ("rating", "weight") if name in raw.columns}
    typed = rows.mutate(**{f"{name}_value": value for name, value in numbers.items()})
    rules = [*_id_rules(typed, "user_id"), *_id_rules(typed, "item_id"), *_time_rules(typed, as_of)]
    for name in numbers:
        rules.extend(_number_rules(typed, name))
    if "part" in raw.columns:
        known = typed.part.isin(["train", "valid", "test"]).fill_null(False)  # noqa: FBT003 - the value of an unknown part
        rules.append(("part", "is none of train, valid, test", ~known))
    verdicts = [(broken, number) for number, (_, reason, broken) in enumerate(rules, start=1) if reason != CONTROL]
    told = [name for name in ("field", "reason") if name in raw.columns]
    if told:
        verdicts.insert(0, (typed.reason.notnull(), -1))
    fault = ibis.cases(*verdicts, else_=0)
    optional = [name for name in ("rating", "event", "weight", "part") if name in raw.columns]
    values = {name: typed[f"{name}_value"] if name in numbers else typed[name].nullif("") for name in optional}
    place = typed.file.cast("int64") * PLACE + typed.line
    judged = typed.select("user_id", "item_id", *told, timestamp=typed["time"], place=place, fault=fault, **values)
    named = [(field, reason) for field, reason, _ in rules]
    controls = [(holds_control(judged[name]), number) for number, (name, reason) in enumerate(named, 1) if reason == CONTROL]
    earlier = [(found & (judged.fault > number), number) for found, number in controls]
    fault = ibis.cases((judged.fault <= 0, judged.fault), *earlier, else_=judged.fault)
    return judged.mutate(fault=fault.cast("int16")), named


def holds_control(text: ir.StringValue) -> ir.BooleanValue:
    """Whether a text holds a control character of Unicode (category Cc)."""
    return text.re_search(r"\p{Cc}")


def _id_rules(rows: ir.Table, name: str) -> list[Rule]:
    value = rows[name]
    return [
        (name, "is missing", value.isnull()),
        (name, "is empty", value == ""),
        (name, CONTROL, holds_control(value)),
        (name, f"is longer than {LONGEST_ID} bytes", byte_length(value) > LONGEST_ID),
    ]


def _time_rules(rows: ir.Table, as_of: int | None) -> list[Rule]:
    rules = [
        ("timestamp", "is missing", rows.timestamp.isnull()),
        ("timestamp", "is neither an epoch number nor ISO 8601", rows["time"].isnull()),
        ("timestamp", "is not in 1970..2099 (see timestamp_unit)", (rows["time"] < 0) | (rows["time"] >= END)),
    ]
    return rules if as_of is None else [*rules, ("timestamp", "is later than as_of", rows["time"] > as_of)]


def _number_rules(rows: ir.Table, name: str) -> list[Rule]:
    given, value = rows[name], rows[f"{name}_value"]
    absent = given.isnull() | (given == "") if given.type().is_string() else given.isnull()
    wrong = ~absent & (value.isnull() | value.isnan() | (value.abs() > _LARGEST))
    rules: list[Rule] = [(name, "is not a finite number", wrong)]
    return [*rules, (name, "is negative", value < 0)] if name == "weight" else rules


def _number(given: ir.Value) -> ir.FloatingValue:
    """A float64, or null where there is none or the text is no decimal number."""
    import ibis

    if not given.type().is_string():
        return given.cast("float64") + 0.0  # there is but one zero
    return ibis.cases((given.re_search(_NUMBER), given.try_cast("float64") + 0.0), else_=None)
