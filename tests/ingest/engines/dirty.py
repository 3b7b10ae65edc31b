"""A log with everything in it that an engine may see differently."""

from __future__ import annotations

import random

TIMES = (
    "0",
    "1700000000",
    "01700000000",
    "999999999999999999",
    "9999999999999999999",
    "4102444800",
    "-1",
    " 5",
    "5 ",
    "1e9",
    "2024-02-29",
    "2023-02-29",
    "2024-02-29T12:30",
    "2024-02-29t12:30:15z",
    "2024-02-29 12:30:15.1",
    "2024-02-29 12:30:15,123456789",
    "2024-02-29T12:30:15.000001+05:30",
    "2024-02-29T12:30:15-0330",
    "2024-02-29T12:30:15+05",
    "2024-02-29T12:30:15+24:00",
    "2024-02-29T24:00:00",
    "2024-02-29T23:59:60",
    "2024-13-01",
    "0000-01-01",
    "9999-12-31",
    "1969-12-31T23:59:59.999999",
    "",
    "now",
    "\uff12024-01-01",
    "2024-W09-4",
    "2024-W53-1",
    "2024W094T1230",
    "2024-060T12:30:15,5+05:30",
    "2023-366",
    "20240229T123015Z",
    "2024-02-29T12",
)
IDS = ("a", "A", "á", "a\u0301", "é", "z", " a", "a ", "10", "9", "0x1", "null", "NULL", "NaN", "", "\x00", "a\u0085b", "a\u200bb", "😀", "\ufffd", "x" * 1024, "é" * 513)  # fmt: skip
RATINGS = ("", "5", "4.5", "-0", "0", "0.0", "1e3", "1e999", "-1e999", "nan", "inf", "5e-324", ".5", "5.", "0x10", "1_000", "\uff13", "0.1000000000000000055511151231257827")  # fmt: skip
WEIGHTS = ("", "1", "0", "-0.0", "-1", "1e308", "1e309")


def dirty_csv(seed: int = 3, rows: int = 3000) -> str:
    """About half of the rows are bad; many are equal; many share a time."""
    chance = random.Random(seed)
    lines = ["user_id,item_id,timestamp,rating,event,weight"]
    for place in range(rows):
        bad = place % 2
        user, item = (chance.choice(IDS[: 14 if not bad else None]) for _ in range(2))
        at = chance.choice(TIMES) if bad else str(1_700_000_000 + chance.randrange(400))
        rating, weight = (chance.choice(values) for values in ((RATINGS, WEIGHTS) if bad else (RATINGS[:8], WEIGHTS[:4])))
        event = chance.choice(("view", "buy", "", "VIEW"))
        lines.append(",".join(f'"{value}"' for value in (user, item, at, rating if bad else rating[:1], event, weight)))
        if chance.random() < 0.1:
            lines.append(lines[-1])
        if chance.random() < 0.02:
            lines.append(chance.choice(('broken "quote', "too,few", "a,b,c,d,e,f,g", "")))
    return "\n".join(lines) + "\n"
