"""What a command line says of logs, checked: the contract's settings, the columns' names, spans of time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.ingest.contract import END
from recsys_cl.ingest.reading.columns import check_mapping
from recsys_cl.ingest.reading.records import check_delimiter
from recsys_cl.ingest.settings import Ingest

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def settings(given: Mapping[str, Any]) -> Ingest:
    """The table ``[ingest]`` that the options stand for; its source is decided by the files."""
    values = {"source": Component(use="csv").model_dump(), **given}
    if (text := given.get("as_of")) is not None:
        try:
            values["as_of"] = datetime.fromisoformat(text).isoformat()
        except ValueError as error:
            raise Refused(f"--as-of {text}: not an ISO 8601 time") from error
    try:
        return Ingest.model_validate_json(json.dumps(values))
    except ValidationError as error:
        problem = error.errors()[0]
        option = str(problem["loc"][0]).replace("_", "-")
        raise Refused(f"--{option} {problem['input']}: {problem['msg'][0].lower()}{problem['msg'][1:]}") from error


def mapping(given: Sequence[str]) -> dict[str, str]:
    """``["user_id=customer,item_id=sku"]`` as a dictionary; a comma divides only before ``name=``, so names may hold one."""
    named: dict[str, str] = {}
    for pair in (pair for text in given for pair in re.split(r",(?=[a-z_]+=)", text)):
        name, equals, theirs = pair.partition("=")
        ours = name.strip()
        if not equals or not theirs or not ours:
            raise Refused(f"--columns {pair}: expected OURS=THEIRS, e.g. user_id=customer")
        if ours in named:
            raise Refused(f"--columns {pair}: {ours} is '{named[ours]}' already")
        named[ours] = theirs
    check_mapping(named, key="--columns ")
    return named


def delimiter(text: str | None) -> str | None:
    r"""The character itself; ``\t`` stands for a tab, which few shells let one type."""
    return None if text is None else check_delimiter("\t" if text == r"\t" else text, "--delimiter")


def allowance(text: str) -> int:
    """``"90m"``, ``"2d"`` in microseconds."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", text.strip())
    if match is None:
        raise Refused(f"--watermark {text}: expected a number and s, m, h or d, e.g. 2d")
    return int(min(float(match[1]) * _UNITS[match[2]] * 1_000_000, END))  # more than all of time is no more
