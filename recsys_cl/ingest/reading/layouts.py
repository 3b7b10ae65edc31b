"""How files were found to be laid out, told once for all that are alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Layout = Mapping[str, Any]  # format, columns (the contract's name -> the file's), and for delimited text the delimiter


def grouped(files: Sequence[str], layouts: Sequence[Layout]) -> list[dict[str, Any]]:
    """Each distinct layout of ``layouts``, one a file, with how many ``files`` have it and which is the ``first``."""
    found: dict[str, dict[str, Any]] = {}
    for file, layout in zip(files, layouts, strict=True):
        alike = found.setdefault(json.dumps(layout, sort_keys=True), {**layout, "files": 0, "first": file})
        alike["files"] += 1
    return list(found.values())


def told(layout: Layout) -> str:
    """A grouped layout as people read it."""
    names = ", ".join(ours if ours == theirs else f"{ours} from '{theirs}'" for ours, theirs in layout["columns"].items())
    divided = f" divided by {layout['delimiter']!r}" if "delimiter" in layout else ""
    return f"{layout['format']}{divided}: {names} ({layout['files']:,} files, the first {layout['first']})"
