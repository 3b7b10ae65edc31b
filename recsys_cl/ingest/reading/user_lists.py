"""Files of lines ``user item item …``: one user a line, ids separated by blanks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.text import blocks


class UserList(NamedTuple):
    """One line."""

    line: int  # physical, from 1
    user: str
    items: list[str]


def user_lists(path: Path) -> Iterator[UserList]:
    """Every line that names a user; blank lines are passed over.

    Raises:
        Refused: a line of something else, such as comma-separated values: a user without blanks but with commas or tabs.
    """
    for block in blocks(path):
        for line, text in enumerate(block.data.decode().split("\n"), start=block.line):
            if words := text.encode().split():  # bytes split on ASCII blanks only
                user, *items = (word.decode() for word in words)
                if not items and "," in user:
                    raise Refused(f"{path}: line {line}: expected 'user item item …' separated by blanks")
                yield UserList(line, user, items)
