"""Receipts lead from an evaluation to what it was made of, by digest, and to nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.core.sealed import write_sealed
from recsys_cl.stages.lineage import lineage

PARTS = {"train": "t", "valid": "v", "test": "s"}


def stage(root: Path, name: str, fingerprint: str, writes: dict[str, str], reads: dict[str, str]) -> Path:
    """A committed stage; ``writes`` and ``reads`` are digests by artifact. The folder of its first artifact."""
    folder = root / name / fingerprint
    made = {artifact: {"path": artifact.replace("/", "-"), "digest": digest} for artifact, digest in writes.items()}
    for one in made.values():
        (folder / one["path"]).mkdir(parents=True)
    write_sealed(folder / "receipt.json", {"writes": made, "reads": reads})
    return folder / next(iter(made.values()))["path"]


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    stage(tmp_path, "prepare", "old", {"train": "t0", "valid": "v0", "test": "s0", "data_report": "r0"}, {})
    stage(tmp_path, "prepare", "new", {**PARTS, "data_report": "r"}, {})
    stage(tmp_path, "train-sgl", "old", {"model/sgl": "m0"}, {"train": "t"})
    stage(tmp_path, "train-sgl", "new", {"model/sgl": "m"}, {"train": "t"})
    stage(tmp_path, "audit", "old", {"audit": "a0"}, {**PARTS, "test": "s0"})
    stage(tmp_path, "audit", "new", {"audit": "a"}, {**PARTS, "data_report": "r", "model/other": "x"})
    stage(tmp_path, "evaluate-other", "new", {"evaluation/other": "o"}, {**PARTS, "model/other": "x"})
    return stage(tmp_path, "evaluate-sgl", "new", {"evaluation/sgl": "e"}, {**PARTS, "model/sgl": "m"})


def test_what_it_was_made_of_and_what_looked_at_the_same_parts_is_found(evaluation: Path) -> None:
    name, found = lineage(evaluation)
    assert name == "sgl"
    assert {artifact: path.parent.name for artifact, path in found.items()} == dict.fromkeys(
        ("train", "valid", "data_report", "model/sgl", "audit"), "new"
    )


def test_a_folder_without_a_receipt_stands_alone(tmp_path: Path) -> None:
    folder = tmp_path / "evaluation-mine"
    folder.mkdir()
    assert lineage(folder) == ("mine", {})


def test_a_torn_receipt_is_refused_by_its_path(evaluation: Path) -> None:
    receipt = evaluation.parent.parent.parent / "audit" / "old" / "receipt.json"
    receipt.write_text("{")
    with pytest.raises(Refused, match=r"audit/old/receipt\.json: damaged: .*; remove .* to make it again"):
        lineage(evaluation)
