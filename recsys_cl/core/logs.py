"""What is said on the way, for machines: one JSON object a line on standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from datetime import UTC, datetime
from typing import Any

from recsys_cl.core.errors import Refused, nearest

FORMATS = ("text", "json")
VARIABLE = "RECSYS_CL_LOG_FORMAT"
_NAME = "recsys_cl"


class AsJson:
    """Formats a record of `logging` as one line; nothing but text, numbers and what `say` was given."""

    def format(self, record: logging.LogRecord) -> str:
        """``{"at", "level", "event", …}``; an event that is only text is a ``log`` with its ``message``."""
        facts: dict[str, Any] = getattr(record, "facts", None) or {"event": "log", "message": record.getMessage()}
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "logger": record.name, **facts}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        return json.dumps(line, default=str)


def set_up(form: str) -> bool:
    """Have everything that is logged written as ``form``; whether that is JSON.

    Raises:
        Refused: there is no such format.
    """
    if form not in FORMATS:
        raise Refused(f"--log-format {form}: no such format; {nearest(form, FORMATS)}")
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each.formatter, AsJson)]:
        root.removeHandler(handler)
    if form == "text":
        return False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson())  # type: ignore[arg-type]  # all that a handler asks of it is `format`
    root.addHandler(handler)
    logging.getLogger(_NAME).setLevel(logging.INFO)
    return True


def set_up_by_environment() -> None:
    """`set_up` as the variable ``RECSYS_CL_LOG_FORMAT`` says; from here on warnings are logged, by their message alone.

    Raises:
        Refused: there is no such format.
    """
    warnings.showwarning = _log_warning  # type: ignore[assignment]  # where it was raised is nobody's business here
    try:
        set_up(os.environ.get(VARIABLE) or "text")
    except Refused as error:
        raise Refused(f"{VARIABLE}: {error}") from error


def _log_warning(message: Warning | str, category: type[Warning], *_where: object) -> None:
    logging.getLogger(_NAME).warning("%s: %s", category.__name__, message)


def structured() -> bool:
    """Whether `set_up` was asked for JSON."""
    return any(isinstance(handler.formatter, AsJson) for handler in logging.getLogger().handlers)


def say(event: str, level: int = logging.INFO, **facts: object) -> None:
    """Log ``event`` with its facts."""
    logging.getLogger(_NAME).log(level, event, extra={"facts": {"event": event, **facts}})
