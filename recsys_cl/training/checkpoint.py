"""Two generations of checkpoints on disk: each is tensors and facts, known by their SHA-256, never half written."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from recsys_cl.core.files import atomic_write, digest_file, digest_json
from recsys_cl.training.weights import pack

_KEPT = 2

Parts = dict[str, dict[str, Tensor]]
"""Tensors by part (weights, optimizer, ...) and name."""


class Keeper(Protocol):
    """Where checkpoints are kept."""

    def write(self, epoch: int, parts: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any]) -> None:
        """Keep the checkpoint of an epoch."""
        ...

    def read(self) -> tuple[Parts, dict[str, Any]] | None:
        """The newest whole one, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """Checkpoints are kept in a folder on disk."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def write(self, epoch: int, parts: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any]) -> None:
        """See ``write`` below."""
        write(self.path, epoch, parts, facts)

    def read(self) -> tuple[Parts, dict[str, Any]] | None:
        """See ``read`` below."""
        return read(self.path)


def write(folder: Path, epoch: int, parts: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any]) -> None:
    """Commit the checkpoint of an epoch, then forget all but the newest two.

    The JSON is written last and holds the digests of both: tensors without it do not count.
    """
    path = folder / f"{epoch:06}.safetensors"
    flat = {f"{part}:{name}": value for part, values in parts.items() for name, value in values.items()}
    with atomic_write(path) as stream:
        stream.write(pack(flat))
    facts = {**facts, "parts": sorted(parts)}
    sealed = {"facts": facts, "facts_sha256": digest_json(facts), "tensors_sha256": digest_file(path)}
    with atomic_write(path.with_suffix(".json"), "w") as stream:
        json.dump(sealed, stream, allow_nan=False)
    for old in _epochs(folder)[_KEPT:]:
        _remove(old)


def read(folder: Path) -> tuple[Parts, dict[str, Any]] | None:
    """The newest whole checkpoint, or None. A damaged one is removed with a warning and the one before is taken."""
    for path in _epochs(folder):
        try:
            return _open(path)
        except (FileNotFoundError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warnings.warn(
                f"checkpoint {path} is damaged ({error}); continuing from the one before", RuntimeWarning, stacklevel=2
            )
            _remove(path)
    return None


def _open(path: Path) -> tuple[Parts, dict[str, Any]]:
    sealed = json.loads(path.read_text(encoding="utf-8"))
    if digest_json(sealed["facts"]) != sealed["facts_sha256"]:
        raise ValueError("its facts do not match their SHA-256")
    tensors = path.with_suffix(".safetensors")
    if digest_file(tensors) != sealed["tensors_sha256"]:
        raise ValueError("its tensors do not match their SHA-256")
    parts: Parts = {part: {} for part in sealed["facts"].pop("parts")}
    for key, value in load(tensors.read_bytes()).items():
        part, name = key.split(":", 1)
        parts[part][name] = value
    return parts, sealed["facts"]


def _epochs(folder: Path) -> list[Path]:
    """The JSON of each checkpoint, newest first."""
    return sorted(folder.glob("[0-9]*.json"), reverse=True)


def _remove(path: Path) -> None:
    # The JSON goes first: what is left after a kill in between does not count as a checkpoint.
    path.unlink(missing_ok=True)
    path.with_suffix(".safetensors").unlink(missing_ok=True)
