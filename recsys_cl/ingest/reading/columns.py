"""Which of a log's columns stands for which of the contract's; a missing or doubled one is refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.ingest.source import OPTIONAL, REQUIRED

Mapped = Mapping[str, str]  # the contract's name -> the log's


def check_mapping(columns: Mapped, known: Sequence[str] = (*REQUIRED, *OPTIONAL), key: str = "ingest.source.columns.") -> None:
    """Refuse a mapping for a column that the contract does not have; ``key`` is what the person who gave it knows it by."""
    for name in columns:
        if name not in known:
            raise Refused(f"{key}{name}: no such column in the contract; {nearest(name, known)}")


def positions(header: Sequence[str], columns: Mapped, path: Path) -> dict[str, int]:
    """Where each of the contract's columns stands in ``header``.

    Required columns and mapped ones must be there; ``rating``, ``event`` and ``weight`` are taken where they are, and
    ``part`` only where it is mapped, since a log may well use that word for something else.
    """
    found = {}
    for name in (*REQUIRED, *OPTIONAL):
        wanted = columns.get(name, name)
        times = header.count(wanted) if isinstance(header, list) else list(header).count(wanted)
        if times == 0 and (name in REQUIRED or name in columns):
            raise Refused(missing(path, name, wanted, header))
        if times > 1:
            raise Refused(f"{path}: column '{wanted}' stands {times} times in the header")
        if times == 1 and (name != "part" or name in columns):
            found[name] = list(header).index(wanted)
    return found


def missing(path: Path, name: str, wanted: str, present: Sequence[str]) -> str:
    """The sentence about an absent column, with the nearest one present."""
    label = f"'{wanted}'" if wanted == name else f"'{wanted}' (for {name})"
    return f"{path}: no column {label}; {nearest(wanted, [column[:80] for column in present][:50])}"
