"""Fetch a public data set: `recsys-cl data get NAME`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from recsys_cl.commands.options import AsJson
from recsys_cl.core.errors import Refused


def get(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A data set; none: list them.")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The data set becomes DIR/NAME.")] = Path("public"),
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="I have read the terms and keep them.")] = False,
    sha256: Annotated[
        list[str] | None, typer.Option(metavar="FILE=DIGEST", help="What a file must be, where that is not known here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a public data set from its owner, check it, and bring it into the one schema."""
    from recsys_cl.ingest.public.acquisition import acquire
    from recsys_cl.ingest.public.catalogue import catalogue, find

    if name is None:
        for known, entry in catalogue().items():
            unknown = [file.name for file in entry.files if file.sha256 is None]
            print(f"{known:<14} {entry.title}" + (f" (not verified from here: {', '.join(unknown)})" if unknown else ""))
        return
    entry = find(name)
    print(f"{entry.title}\nlicence: {entry.licence}\nterms:   {entry.terms}", file=sys.stderr)
    if not accept_licence:
        raise Refused(f"{name}: read the terms above; if you keep them, add --accept-licence")
    account = acquire(name, entry, out, _pairs(sha256 or []))
    path = (out / name / "interactions.parquet").as_posix()
    if as_json:
        print(json.dumps(account | {"path": path}, allow_nan=False))
    else:
        print(f"{account['rows_kept']:,} interactions of {account['users']:,} users with {account['items']:,} items: {path}")


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if any(not mark for _, mark, _ in pairs):
        raise Refused("--sha256: expected FILE=DIGEST, e.g. ml-32m.zip=0123…")
    return {name: digest.lower() for name, _, digest in pairs}
