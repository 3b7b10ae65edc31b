"""A pipeline that runs in seconds, as the beginning of a TOML that tests go on with."""

from __future__ import annotations

from pathlib import Path

LOGS = """
name = "small"

[ingest.source]
use = "synthetic"
users = 120
items = 60
events = 3000
"""


def write(folder: Path, text: str) -> Path:
    """Lay ``text`` down as ``small.toml`` in ``folder``; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small.toml").write_text(text)
    return folder
