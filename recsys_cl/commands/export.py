"""A registered model for runtimes that know nothing of this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recsys_cl.commands.options import AsJson, TrackingUri


def export(
    model: Annotated[str, typer.Option(help="A registered model (models:/demo@champion) or a bundle folder.")],
    to: Annotated[str, typer.Option("--format", help="onnx: the sequence encoder; faiss: an index of the items.")],
    out: Annotated[Path, typer.Option(help="The folder to write; it must not exist.")],
    index: Annotated[str, typer.Option(help="faiss: flat (exact), ivf or hnsw.")] = "flat",
    effort: Annotated[
        int | None, typer.Option(min=1, help="faiss: cells (ivf) or candidates (hnsw) a search looks at.")
    ] = None,
    parity: Annotated[
        float, typer.Option(min=0, max=1, help="The least share of the library's top 10 that the export must find.")
    ] = 0.999,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Write a model as ONNX or faiss with its item matrix and ids, after comparing its top 10 with the library's."""
    from recsys_cl.serving.export import Wanted
    from recsys_cl.serving.export import export as write
    from recsys_cl.serving.load import load_bundle

    facts = write(load_bundle(model, tracking_uri), out, Wanted(to, index, effort, parity))
    print(f"{out}: {to}, {facts['parity']:.2%} of the top 10 of {facts['checked']:,} users")
    if as_json:
        print(json.dumps({"out": str(out), **facts}))


def attach(app: typer.Typer) -> None:
    """Add `export`."""
    app.command()(export)
