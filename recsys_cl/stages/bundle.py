"""A trained recipe and what it was trained on become the bundle that answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_file

if TYPE_CHECKING:
    from torch import Tensor

    from recsys_cl.core.values import Interactions
    from recsys_cl.serving.bundle import Bundle


def make_bundle(name: str, reads: Mapping[str, Path]) -> Bundle:
    """The model of one evaluated experiment, which knows what it knew then and leaves out what was left out.

    Raises:
        Refused: its vectors were not kept, so there is nothing to answer from.
    """
    from safetensors.torch import load_file

    evaluation = reads[f"evaluation/{name}"]
    vectors, measured = evaluation / "vectors.safetensors", _json(evaluation / "metrics.json")
    if not vectors.is_file():
        why = "its vectors are as long as the catalogue and are not kept when it is large"
        raise Refused(f"'{name}' is measured and cannot be registered: {why}; name another with registry.experiment")
    known = known_before_test(reads, measured.get("history", "train+valid"))
    masked = bool(measured.get("exclude_seen", True))  # evaluations that say nothing of it are served as they always were
    return bundle_of(name, reads, load_file(vectors), known, measured["test"], exclude_seen=masked)


def bundle_of(
    name: str,
    reads: Mapping[str, Path],
    vectors: Mapping[str, Tensor],
    known: Interactions,
    test: Mapping[str, float],
    *,
    exclude_seen: bool = True,
) -> Bundle:
    """The model of one experiment, given its ``vectors`` (``users`` [U, D], ``items`` [I, D]) made from ``known``.

    It leaves out of its lists what a user has met, if ``exclude_seen``.
    """
    from recsys_cl.ingest.dataset import load_items, load_users
    from recsys_cl.serving.bundle import assemble
    from recsys_cl.serving.newcomers import newcomers_of
    from recsys_cl.serving.reader import reader_of

    model, vocabulary = reads[f"model/{name}"], reads["vocabulary"]
    summary = _json(model / "summary.json")
    meta = {
        "name": name,
        "recipe": _json(model / "recipe.json"),
        "fingerprint": summary["fingerprint"],
        "metrics": {"valid": summary["valid"], "test": dict(test)},
        "digests": {part: digest_file(reads[part]) for part in ("train", "valid")},
        "exclude_seen": exclude_seen,
    }
    reader = reader_of(meta["recipe"], known.shape, vectors, model / "weights.safetensors")
    bundle = assemble(load_users(vocabulary), load_items(vocabulary), vectors, known, meta, reader)
    return replace(bundle, newcomers=newcomers_of(meta["recipe"], vocabulary, model / "weights.safetensors"))


def known_before_test(reads: Mapping[str, Path], history: str = "train+valid") -> Interactions:
    """Train and valid together, or what else of them ``evaluation.history`` says."""
    from recsys_cl.ingest.dataset import load_interactions, load_shape

    shape = load_shape(reads["vocabulary"])
    train = load_interactions(reads["train"], shape)
    return train if history == "train" else train.then(load_interactions(reads["valid"], shape))


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value
