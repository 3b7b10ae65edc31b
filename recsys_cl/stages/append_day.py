"""One day's log goes into the data set that a pipeline reads."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_cl.core.build import build

if TYPE_CHECKING:
    from recsys_cl.core.schedule import Append
    from recsys_cl.ingest.settings import Ingest


def append_day(ingest: Ingest, days: Append, day: date) -> dict[str, Any]:
    """Append the log of ``day``; files that the data set holds are known by their content and not read again.

    Args:
        ingest: the contract; its source is the data set.
        days: where the log of a day lies.
        day: which.

    Returns:
        The account of the files and the state after, as `recsys_cl.ingest.versions.append.append` gives it.

    Raises:
        Refused: there is no log of that day, or it cannot be used; nothing is committed.
        Unavailable: disk or memory.
    """
    from recsys_cl.ingest.versions.append import Request, append
    from recsys_cl.ingest.versions.inputs import find

    source: Any = build("ingest.sources", ingest.source, "ingest.source", seed=0)
    path = days.input.replace("{day}", day.isoformat())
    files = find([path], "auto", days.columns, ingest)
    return append(Path(source.path), Request(files, days.columns, ingest), lambda _: None, wait=True)
