"""Features of items, in columns or in ``.npy`` files beside the table: finite and of one width, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import read_fault
from recsys_cl.ingest.reading.locate import existing

ENDING, FOLDER = ".npy", "/"
_LARGEST = 64 * 2**20


def arrays_beside(path: Path, columns: Mapping[str, str]) -> dict[str, Path]:
    """The ``.npy`` files among what columns are mapped to, by our name; their paths begin at the item table's folder."""
    named = {name: theirs for name, theirs in columns.items() if theirs.endswith(ENDING)}
    return {name: existing(str(path.parent / theirs)) for name, theirs in named.items()}


def files_beside(path: Path, columns: Mapping[str, str]) -> dict[str, dict[str, Path]]:
    """The files of each folder among what columns are mapped to, by item id: a file is named by it, whatever its ending.

    Raises:
        Refused: no such folder, or two files of one id.
    """
    folders = {name: path.parent / theirs for name, theirs in columns.items() if theirs.endswith(FOLDER)}
    for folder in folders.values():
        if not folder.is_dir():
            raise Refused(f"{folder}: no such folder")
    return {name: _by_id(folder) for name, folder in folders.items()}


def _by_id(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        other = found.setdefault(file.stem, file)
        if other is not file:
            raise Refused(f"{folder}: {other.name} and {file.name} are both of '{file.stem}'; keep one of them")
    return found


def item_files(items: str | None, columns: Mapping[str, str]) -> list[Path]:
    """The item table and what lies beside it, which decide a result as the log does."""
    if items is None:
        return []
    path = existing(items)
    files = (file for found in files_beside(path, columns).values() for file in found.values())
    return [path, *arrays_beside(path, columns).values(), *files]


def with_files(path: Path, table: pa.Table, columns: Mapping[str, str], key: str = "item_id") -> pa.Table:
    """``table`` with the bytes of each ``key``'s file as a column; null where the folder has none.

    Raises:
        Refused: a file is larger than 64 MiB, or no item has one.
    """
    for name, files in files_beside(path, columns).items():
        found = [files.get(item) for item in table[key].to_pylist()]
        if not any(found):
            raise Refused(f"{path.parent / columns[name]}: no file is named by an id of {path.name}")
        for file in filter(None, found):
            if file.stat().st_size > _LARGEST:
                raise Refused(f"{file}: larger than {_LARGEST >> 20} MiB")
        contents = pa.array([file.read_bytes() if file else None for file in found], pa.large_binary())
        table = table.append_column(name, contents)
    return table


def with_arrays(path: Path, table: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    """``table`` with each array as a column of vectors: its row i belongs to row i of the table.

    Raises:
        Refused: an array that is no matrix of numbers, or has not one row a row of the table.
    """
    for name, file in arrays_beside(path, columns).items():
        if name in table.column_names:
            raise Refused(f"{path}: column '{name}' stands here and in {file.name}")
        array = matrix(file)
        if len(array) != len(table):
            raise Refused(f"{file}: {len(array)} rows, where {path.name} has {len(table)} items")
        values = pa.array(np.ascontiguousarray(array, dtype=np.float32).reshape(-1))
        vectors = pa.FixedSizeListArray.from_arrays(values, array.shape[1]).cast(pa.list_(pa.float32()))
        table = table.append_column(name, vectors)
    return table


def matrix(file: Path) -> NDArray[Any]:
    """The matrix of numbers in an ``.npy`` file, mapped from disk.

    Raises:
        Refused: it is none.
    """
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise (read_fault(file, error) if error.errno else Refused(f"{file}: not a readable array: {error}")) from error
    except (ValueError, EOFError, SyntaxError) as error:
        raise Refused(f"{file}: not a readable array: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu" or array.shape[1] == 0:
        shape = getattr(array, "shape", "of several arrays")
        raise Refused(f"{file}: a matrix of numbers is needed, a row an item; this is {getattr(array, 'dtype', '')} {shape}")
    return array


def check_features(path: Path, table: pa.Table, key: str = "item_id") -> None:
    """Refuse numbers that are not finite and vectors of several widths, naming column, row (from 0) and the id in ``key``.

    Lists of texts or of whole numbers may be categories, of which each has as many as it has.
    """
    for name in table.column_names:
        column = table[name].combine_chunks()
        if types.is_floating(column.type):
            _refuse_first(path, table, key, name, pc.invert(pc.is_finite(column)), "is not finite; leave a missing value empty")
        elif _is_list(column.type) and types.is_floating(column.type.value_type):
            _check_vectors(path, table, key, name, column)


def _check_vectors(path: Path, table: pa.Table, key: str, name: str, column: pa.Array) -> None:
    widths = pc.list_value_length(column)
    usual = pc.mode(widths)[0]["mode"].as_py() if column.null_count < len(column) else None
    _refuse_first(path, table, key, name, pc.not_equal(widths, usual), f"has another width than {usual}")
    values, parents = pc.list_flatten(column), pc.list_parent_indices(column)
    bad = pc.fill_null(pc.invert(pc.is_finite(values)), fill_value=True)
    if pc.any(bad).as_py():
        _refuse(path, table, key, name, parents.filter(bad)[0].as_py(), "holds a number that is missing or not finite")


def _refuse_first(path: Path, table: pa.Table, key: str, name: str, bad: pa.Array, reason: str) -> None:
    row = pc.index(pc.fill_null(bad, fill_value=False), value=True).as_py()
    if row >= 0:
        _refuse(path, table, key, name, row, reason)


def _refuse(path: Path, table: pa.Table, key: str, name: str, row: int, reason: str) -> None:
    raise Refused(f"{path}: column '{name}', row {row} ({key.removesuffix('_id')} {table[key][row].as_py()!r}) {reason}")


def _is_list(kind: pa.DataType) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
