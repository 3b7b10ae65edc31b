"""What an artifact was made of: its receipt holds digests, and the receipts beside it say where those lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recsys_cl.core.errors import Refused
from recsys_cl.stages.store import RECEIPT, Receipt

SEALED = frozenset({"test"})
"""Never led to: what is told of the test part is in the evaluations."""


def lineage(folder: Path) -> tuple[str, dict[str, Path]]:
    """The name of an artifact, and where all lies that it was made of, or that was made with or from the same parts.

    A folder without a receipt stands alone and is called what it is called.

    Args:
        folder: of an artifact in a store, such as ``data/demo/evaluate-sgl/…/evaluation-sgl``.

    Raises:
        Refused: a receipt is not readable.
    """
    own = _receipt(folder.parent / RECEIPT)
    if own is None:
        return folder.name.removeprefix("evaluation-"), {}
    name = next((name for name, made in own.facts["writes"].items() if made["path"] == folder.name), folder.name)
    wanted = dict(own.facts["reads"])
    found: dict[str, Path] = {}
    for path in sorted(folder.parent.parent.parent.glob(f"*/*/{RECEIPT}")):
        other = _receipt(path)
        if other is not None and other.folder != own.folder and _related(other, wanted):
            found |= {made: other.artifact(made).path for made in other.facts["writes"] if made not in SEALED}
    return name.partition("/")[2] or name, found


def _related(other: Receipt, wanted: dict[str, str]) -> bool:
    """Whether it made something of ``wanted``, or looked at the same three parts and is no evaluation."""
    facts = other.facts
    if any(wanted.get(name) == made["digest"] for name, made in facts["writes"].items()):
        return True
    reads = facts["reads"]
    parts = {"train", "valid", "test"}
    looked = parts <= reads.keys() and all(reads[part] == wanted.get(part) for part in parts)
    return looked and not any(name.startswith("evaluation/") for name in facts["writes"])


def _receipt(path: Path) -> Receipt | None:
    if not path.is_file():
        return None
    try:
        facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise Refused(f"{path}: not a readable receipt: {error}") from error
    return Receipt(path.parent, facts)
