"""Use a registered model: in batch, or over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from recsys_cl.commands.options import AsJson, TrackingUri

ModelName = Annotated[str, typer.Option("--model", help="A registered model (models:/demo@champion) or a bundle folder.")]


def recommend(
    model: ModelName,
    out: Annotated[
        Path,
        typer.Option(
            help="NAME.parquet: one file of user_id, rank, item_id, score, source. Any other name: a folder of such parts."
        ),
    ],
    users: Annotated[
        Path | None,
        typer.Option(
            help="CSV, JSONL or Parquet with user_id, or JSONL or Parquet with item_ids (a list: what was met, oldest first), "
            "or with both; by default every known user."
        ),
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="How many items a user.")] = 10,
    *,
    new_items: Annotated[
        Path | None,
        typer.Option(help="CSV, JSONL or Parquet with item_id and content: items to recommend too, known by content alone."),
    ] = None,
    filters: Annotated[
        Path | None,
        typer.Option(help="TOML or Parquet: items allowed and blocked, for all or by user; seen items; category limits."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=0, help="Of a model that adapts to histories: by at most so many steps; by default its own number."),
    ] = None,
    memory_mib: Annotated[int, typer.Option(min=1, help="Working memory beside the model.")] = 1024,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Write the top items for all users, or a file of them.

    Where the file has a history, it is what counts; those of whom the model knows nothing get the popular list, marked so.
    """
    from recsys_cl.serving.load import load_bundle
    from recsys_cl.serving.new_items import new_items_from, with_new_items
    from recsys_cl.serving.recommend import recommend_to
    from recsys_cl.serving.rules import read_filters
    from recsys_cl.serving.within import within

    bundle = load_bundle(model, tracking_uri)
    bundle = bundle if steps is None else within(bundle, steps)
    added: dict[str, int] = {}
    if new_items is not None:
        bundle, added = with_new_items(bundle, new_items_from(new_items))
        print(f"{new_items}: " + ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in added.items()))
    began = perf_counter()
    counts = recommend_to(bundle, users, k, out, read_filters(bundle, filters), memory_mib * 2**20)
    print(f"{out}: {counts['rows']:,} rows for {counts['users']:,} users ({counts['unknown']:,} of them unknown)")
    if as_json:
        print(
            json.dumps(
                {"out": str(out), **counts, **({"items": added} if added else {}), "seconds": round(perf_counter() - began, 3)}
            )
        )


def serve(
    model: ModelName,
    host: Annotated[str, typer.Option(help="Where to listen. There is no authentication: leave it on loopback.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks whether the alias moved.")] = 30,
    tracking_uri: TrackingUri = None,
) -> None:
    """Answer /recommend, /similar, /health and /metrics over HTTP; follows the alias when it moves."""
    from recsys_cl.serving.server import serve as run_server

    def ready(version: str, address: str) -> None:
        print(f"{version} at {address} (what it answers: {address}/openapi.json)", flush=True)

    run_server(model, host, port, every, tracking_uri, ready)


def attach(app: typer.Typer) -> None:
    """Add `recommend` and `serve`."""
    app.command()(recommend)
    app.command()(serve)
