"""What an artifact was made of: its receipt holds digests, and the receipts beside it say where those lie."""

from __future__ import annotations

from pathlib import Path

from recsys_cl.stages.store import RECEIPT, Receipt, read_receipt

SEALED = frozenset({"test"})
"""Never led to: what is told of the test part is in the evaluations."""


def lineage(folder: Path) -> tuple[str, dict[str, Path]]:
    """The name of an artifact, and where all lies that it was made of, or that was made with or from the same parts.

    A folder without a receipt stands alone and is called what it is called.

    Args:
        folder: of an artifact in a store, such as ``data/demo/evaluate-sgl/…/evaluation-sgl``.

    Raises:
        Refused: a receipt is damaged.
    """
    if not (folder.parent / RECEIPT).is_file():
        return folder.name.removeprefix("evaluation-"), {}
    own = read_receipt(folder.parent / RECEIPT)
    name = next((name for name, made in own.facts["writes"].items() if made["path"] == folder.name), folder.name)
    wanted = dict(own.facts["reads"])
    found: dict[str, Path] = {}
    for path in sorted(folder.parent.parent.parent.glob(f"*/*/{RECEIPT}")):
        other = read_receipt(path)
        if other.folder != own.folder and _related(other, wanted):
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
