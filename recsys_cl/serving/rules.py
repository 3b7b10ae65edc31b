"""The rules of a business as they are written: a TOML, a Parquet file or a dictionary becomes the filters of one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Settings
from recsys_cl.core.toml import line_of, parse, read_text, validate
from recsys_cl.serving.answer import no_item
from recsys_cl.serving.asked import id_text, places
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.filters import Choice, Filters
from recsys_cl.serving.rules_table import make_cap, read_choices

Ids = tuple[str | int, ...]


class Personal(Settings):
    """Rules for one user, beside those for everyone."""

    allowed: Ids | None = Field(None, min_length=1)
    blocked: Ids = ()


class CategoryCap(Settings):
    """At most so many items of one category in a list."""

    most: PositiveInt
    column: str = "category"  # of the item table
    items: str | None = None  # a Parquet file with item_id and the column; by default what the model keeps of its items


class Rules(Settings):
    """What may stand in a list."""

    allowed: Ids | None = Field(None, min_length=1)  # nothing else is recommended to anybody
    blocked: Ids = ()  # recommended to nobody
    exclude_seen: bool | None = None  # leave out what the user has met; by default as the model was built
    lists: str | None = None  # a Parquet file with item_id, rule ("allowed" or "blocked") and perhaps user_id
    unknown: Literal["refuse", "skip"] = "refuse"  # items that the model does not know
    categories: CategoryCap | None = None
    users: dict[str, Personal] = Field(default_factory=dict)


def read_filters(bundle: Bundle, given: Mapping[str, Any] | str | Path | None) -> Filters:
    """Rules as the filters of ``bundle``.

    Args:
        bundle: the model whose items are meant.
        given: a TOML or Parquet file, or a dictionary with the keys of `Rules`; None: no rules.

    Raises:
        Refused: a file, key, column or item cannot be used; the message names it, its line, and the nearest valid one.
    """
    if given is None:
        return Filters()
    if isinstance(given, Mapping):
        return _filters(bundle, validate(Rules, given, "filters", ""), "filters", "")
    path = Path(given)
    if path.suffix == ".parquet":
        return _filters(bundle, Rules(lists=str(path)), str(path), "")
    if path.suffix != ".toml":
        raise Refused(f"{path}: filters are read from .toml and .parquet files")
    text = read_text(path)
    return _filters(bundle, validate(Rules, parse(text, path), path, text), str(path), text)


def _filters(bundle: Bundle, rules: Rules, source: str, text: str) -> Filters:
    skip = rules.unknown == "skip"

    def rows(key: str) -> Callable[[Ids], Tensor]:
        def refuse(item: str) -> Refused:
            line = line_of(key.split("."), text, item)
            return Refused(f"{source}{f':{line}' if line else ''}: {key}: {no_item(bundle, item)}")

        return lambda ids: known_items(bundle, ids, None if skip else refuse)

    everyone = _choice(rules.allowed, rules.blocked, "", rows)
    personal = {user: _choice(own.allowed, own.blocked, f"users.{user}.", rows) for user, own in rules.users.items()}
    if rules.lists is not None:
        listed, each = read_choices(bundle, Path(rules.lists), skip=skip)
        everyone = everyone.narrowed(listed)
        personal = {user: personal.get(user, Choice()).narrowed(each.get(user, Choice())) for user in personal | each}
    cap = rules.categories
    line = line_of(["categories", "column"], text)
    origin, table = f"{source}:{line}" if line else source, Path(cap.items) if cap and cap.items else None
    limit = None if cap is None else make_cap(bundle, cap.most, cap.column, table, origin)
    return Filters(everyone, personal, rules.exclude_seen, limit)


def known_items(bundle: Bundle, ids: Iterable[object], refuse: Callable[[str], Refused] | None) -> Tensor:
    """Items of ``ids``; those that the model does not know are refused with the error that ``refuse`` makes, or left out."""
    names = [id_text(each, "item_id") for each in ids]
    rows = places(bundle.item_index, names)
    if refuse is not None and (rows < 0).any():
        raise refuse(names[int((rows < 0).nonzero()[0])])
    return rows[rows >= 0]


def _choice(allowed: Ids | None, blocked: Ids, table: str, rows: Callable[[str], Callable[[Ids], Tensor]]) -> Choice:
    some = None if allowed is None else rows(f"{table}allowed")(allowed)
    return Choice(some, rows(f"{table}blocked")(blocked))
