"""Items that are one thing under several ids: what was met under one of them is then held out under another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from recsys_cl.ingest.auditing.finding import DataSet, Finding, found


def duplicate_titles(data: DataSet) -> Finding:
    """Items whose titles are the same but for case and spaces."""
    if "title" not in data.items:
        return found("duplicate_titles", "ok", 0, "the items have no titles")
    titles = [" ".join(str(title).split()).casefold() if isinstance(title, str) else "" for title in data.items["title"]]
    return _surplus("duplicate_titles", (title or None for title in titles), data, "items beyond the first of their title")


def duplicate_features(data: DataSet) -> Finding:
    """Items whose features, the list columns of the item table, are the same number for number."""
    columns = {str(name): column for name in data.items if (column := _bytes(data.items[name]))}
    if not columns:
        return found("duplicate_features", "ok", 0, "the items have no features")
    rows = (row if None not in row else None for row in zip(*columns.values(), strict=True))
    return _surplus("duplicate_features", rows, data, f"items beyond the first with the same {', '.join(columns)}")


def _surplus(name: str, keys: Iterable[Hashable | None], data: DataSet, what: str) -> Finding:
    """Count the items whose key another had before them; None is no key."""
    first: dict[Hashable, int] = {}
    pairs = [(item, first.setdefault(key, item)) for item, key in enumerate(keys) if key is not None]
    again = [(item, other) for item, other in pairs if item != other]
    examples = (f"{data.item_ids[item]} is {data.item_ids[other]}" for item, other in again)
    return found(name, "warning", len(again), what, examples)


def _bytes(column: Iterable[object]) -> list[bytes | None] | None:
    """The bytes of each of a column's arrays; None where it holds no arrays."""
    values = [value.tobytes() if hasattr(value, "tobytes") and hasattr(value, "__len__") else None for value in column]
    return values if any(value is not None for value in values) else None
