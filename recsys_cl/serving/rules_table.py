"""Rules and categories that come as Parquet, checked row by row and brought to a model's items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.serving.answer import no_item
from recsys_cl.serving.asked import id_text, places
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.cap import Cap
from recsys_cl.serving.filters import Choice

if TYPE_CHECKING:
    import pandas
    import pyarrow

RULES = ("allowed", "blocked")

_EVERYONE = ""  # no id is empty


def read_choices(bundle: Bundle, path: Path, *, skip: bool) -> tuple[Choice, dict[str, Choice]]:
    """What a table of ``item_id``, ``rule`` and perhaps ``user_id`` says to everyone (where it is null) and to each user.

    Raises:
        Refused: a column, a row or, unless ``skip``, an item is not valid.
    """
    import pandas

    table = _read(path, ("item_id", "rule"), ("user_id",))
    rules = table["rule"].to_pylist()
    wrong = next((row for row, rule in enumerate(rules) if rule not in RULES), None)
    if wrong is not None:
        raise Refused(f"{path}: row {wrong + 1}: rule: {rules[wrong]!r}; {nearest(str(rules[wrong]), RULES)}")
    rows = _items(bundle, path, table, skip=skip)
    users = _ids(path, table, "user_id") if "user_id" in table.column_names else [None] * len(rules)
    frame = pandas.DataFrame({"user": [user or _EVERYONE for user in users], "rule": rules, "item": rows.numpy()})
    choices = {str(user): _choice(part) for user, part in frame.groupby("user", sort=False)}
    return choices.pop(_EVERYONE, Choice()), choices


def make_cap(bundle: Bundle, most: int, column: str, path: Path | None, origin: str = "filters") -> Cap:
    """At most ``most`` items of a category, by a column of the model's own items or of a table; ``origin``: where that is said.

    Raises:
        Refused: there is no such column, or an item has two categories.
    """
    import pyarrow

    if path is None:
        if column not in bundle.about:
            hint = nearest(column, bundle.about) if bundle.about else "the model keeps none; name a file: categories.items"
            raise Refused(f"{origin}: categories.column: the model's items have no column '{column}'; {hint}")
        return Cap(most, _codes(bundle.about[column]))
    table = _read(path, ("item_id", column), ())
    rows, values = _items(bundle, path, table, skip=True), table[column].combine_chunks()
    if not (pyarrow.types.is_string(values.type) or pyarrow.types.is_integer(values.type)):
        raise Refused(f"{path}: {column}: a category is text or a whole number, one an item, not {values.type}")
    codes, found = torch.full((len(bundle.item_ids),), -1), _codes(values)
    there = rows >= 0
    codes[rows[there]] = found[there]
    twice = (codes[rows[there]] != found[there]).nonzero().flatten()
    if twice.numel():
        item = bundle.item_ids[int(rows[there][twice[0]])].as_py()
        raise Refused(f"{path}: item '{item}' has two categories; a limit to each needs one an item")
    return Cap(most, codes)


def _choice(part: pandas.DataFrame) -> Choice:
    allowed = part["rule"] == RULES[0]
    some = torch.tensor(part["item"][allowed & (part["item"] >= 0)].tolist(), dtype=torch.int64) if allowed.any() else None
    return Choice(some, torch.tensor(part["item"][~allowed & (part["item"] >= 0)].tolist(), dtype=torch.int64))


def _items(bundle: Bundle, path: Path, table: pyarrow.Table, *, skip: bool) -> Tensor:
    """The item of each row, -1 where the model does not know it."""
    names = [name or "" for name in _ids(path, table, "item_id")]
    if "" in names:
        raise Refused(f"{path}: row {names.index('') + 1}: item_id: empty")
    rows = places(bundle.item_index, names)
    if not skip and (rows < 0).any():
        first = int((rows < 0).nonzero()[0])
        raise Refused(f"{path}: row {first + 1}: item_id: {no_item(bundle, names[first])}")
    return rows


def _ids(path: Path, table: pyarrow.Table, name: str) -> list[str | None]:
    """A column of ids as text; None where it is null, which is not the same as empty."""
    found: list[str | None] = []
    for row, value in enumerate(table[name].to_pylist(), start=1):
        try:
            found.append(None if value is None else id_text(value, name))
        except Refused as error:
            raise Refused(f"{path}: row {row}: {error}") from None
    return found


def _codes(values: Any) -> Tensor:
    """A number for each distinct value, -1 for none."""
    return torch.tensor(values.dictionary_encode().indices.fill_null(-1).to_pylist(), dtype=torch.int64)


def _read(path: Path, needed: tuple[str, ...], further: tuple[str, ...]) -> pyarrow.Table:
    import pyarrow
    from pyarrow import parquet

    if not path.is_file():
        raise Refused(f"{path}: no such file")
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for name in needed:
                if names.count(name) != 1:
                    raise Refused(f"{path}: needs one column '{name}'; {nearest(name, names)}")
            return file.read(columns=[*needed, *(name for name in further if name in names)])
    except (pyarrow.ArrowException, OSError) as error:
        raise Refused(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error
