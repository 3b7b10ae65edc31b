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
    """The model of one evaluated experiment, with everything known up to the test part: its history, and what is popular.

    Raises:
        Refused: its vectors were not kept, so there is nothing to answer from.
    """
    from safetensors.torch import load_file

    evaluation = reads[f"evaluation/{name}"]
    vectors, test = evaluation / "vectors.safetensors", _json(evaluation / "metrics.json")["test"]
    if not vectors.is_file():
        why = "its vectors are as long as the catalogue and are not kept when it is large"
        raise Refused(f"'{name}' is measured and cannot be registered: {why}; name another with registry.experiment")
    return bundle_of(name, reads, load_file(vectors), known_before_test(reads), test)


def bundle_of(
    name: str, reads: Mapping[str, Path], vectors: Mapping[str, Tensor], known: Interactions, test: Mapping[str, float]
) -> Bundle:
    """The model of one experiment, given its ``vectors`` (``users`` [U, D], ``items`` [I, D]) made from ``known``."""
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
        "exclude_seen": True,
    }
    reader = reader_of(meta["recipe"], known.shape, vectors, model / "weights.safetensors")
    bundle = assemble(load_users(vocabulary), load_items(vocabulary), vectors, known, meta, reader)
    return replace(bundle, newcomers=newcomers_of(meta["recipe"], vocabulary, model / "weights.safetensors"))


def known_before_test(reads: Mapping[str, Path]) -> Interactions:
    """Train and valid together."""
    from recsys_cl.ingest.dataset import load_interactions, load_shape

    shape = load_shape(reads["vocabulary"])
    return load_interactions(reads["train"], shape).then(load_interactions(reads["valid"], shape))


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value
