"""A model of any size with random vectors: what serving costs does not depend on what they mean."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import torch

from recsys_cl.core.values import Interactions, Shape
from recsys_cl.serving.bundle import Bundle, assemble, write_bundle

GOWALLA = Shape(29_858, 40_981)


def made(shape: Shape, dim: int = 64, seen: int = 27, seed: int = 1) -> Bundle:
    """Normal vectors; each user has met about ``seen`` random items."""
    import pandas as pd

    rng = torch.Generator().manual_seed(seed)
    count = seen * shape.users
    users, items = (torch.randint(most, (count,), generator=rng) for most in (shape.users, shape.items))
    vectors = {side: torch.randn(most, dim, generator=rng) for side, most in (("users", shape.users), ("items", shape.items))}
    people = pd.DataFrame({"user_id": [f"user-{number}" for number in range(shape.users)]})
    things = pd.DataFrame({"item_id": [f"item-{number}" for number in range(shape.items)]})
    known = Interactions(shape, users, items, torch.zeros(count, dtype=torch.int64))
    return assemble(people, things, vectors, known, {"name": "random", "recipe": {}})


def register(folder: Path, bundles: Iterable[Bundle]) -> str:
    """Register the models as versions of ``load`` in a store in ``folder``; the store's address."""
    from recsys_cl.core.mlflow import connect
    from recsys_cl.serving.load import SHA256
    from recsys_cl.serving.manifest import digest_folder

    uri = f"sqlite:///{folder}/mlflow.db"
    client = connect(uri)
    client.create_registered_model("load")
    for version, bundle in enumerate(bundles, start=1):
        write_bundle(bundle, folder / f"model-{version}")
        tags = {SHA256: digest_folder(folder / f"model-{version}")}
        client.create_model_version("load", str(folder / f"model-{version}"), tags=tags)
    client.set_registered_model_alias("load", "champion", "1")
    return uri


if __name__ == "__main__":
    write_bundle(made(Shape(int(sys.argv[2]), int(sys.argv[3])), seen=20), Path(sys.argv[1]))
