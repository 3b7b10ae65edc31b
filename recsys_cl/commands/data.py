"""Logs into a data set on disk, and what can be asked of one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys_cl.commands.get import get
from recsys_cl.commands.options import AsJson, Assignments, DataDir, TrackingUri
from recsys_cl.core.errors import Refused

if TYPE_CHECKING:
    from recsys_cl.ingest.versions.append import Request

Format = Annotated[str, typer.Option("--format", metavar="csv|jsonl|parquet|auto", help="auto: by each file's name.")]
MaxBad = Annotated[float, typer.Option(min=0, max=1, help="More bad rows than this and the input is refused.")]
AsOf = Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; later events are bad rows.")]
Unit = Annotated[str, typer.Option(metavar="s|ms|us", help="Of epoch numbers.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="OURS=THEIRS,…", help="Names in the logs, where they differ: user_id=customer,item_id=sku."),
]
Delimiter = Annotated[
    str | None, typer.Option(metavar="CHARACTER", help="Of delimited text; by default the one that fits each file's header.")
]
Watermark = Annotated[str, typer.Option(metavar="2d", help="An event so much older than the newest is not yet late.")]
Memory = Annotated[str, typer.Option(metavar="2GB", help="Of the engine, which goes on to disk beyond it.")]
Threads = Annotated[int | None, typer.Option(min=1, help="By default every core.")]
DataSetFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A data set, as `recsys-cl ingest --out` makes it.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for another writer instead of failing.")]
_OF_LOGS = {
    "form": "ingest.source.use",
    "columns": "ingest.source.columns",
    "delimiter": "ingest.source.delimiter",
    "timestamp_unit": "ingest.timestamp_unit",
    "as_of": "ingest.as_of",
    "max_bad_fraction": "ingest.max_bad_fraction",
    "watermark": None,
    "memory_limit": "ingest.memory_limit",
    "threads": "ingest.threads",
    "wait": None,
}
"""What says how logs are read that --input names, by the key of a pipeline that says the same; None: nothing does."""


def ingest(
    context: typer.Context,
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PIPELINE]", help="Run the first stage of this pipeline, or …", show_default=False),
    ] = None,
    *,
    input_: Annotated[
        list[str] | None, typer.Option("--input", metavar="PATH...", help="… bring in these files, folders or globs.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The data set to begin or to add to.")] = None,
    form: Format = "auto",
    columns: Columns = None,
    delimiter: Delimiter = None,
    timestamp_unit: Unit = "s",
    as_of: AsOf = None,
    max_bad_fraction: MaxBad = 0.2,
    watermark: Watermark = "0s",
    memory_limit: Memory = "2GB",
    threads: Threads = None,
    wait: Wait = False,
    set_: Assignments = None,
    force: Annotated[bool, typer.Option("--force", help="Pipeline: run it again although its result is there.")] = False,
    data_dir: DataDir = Path("data"),
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Bring logs into the one Parquet schema: a pipeline's, or files straight into a data set that grows by versions."""
    paths = [*(input_ or []), *(given or [])]
    if not input_:
        from recsys_cl.commands.pipeline import run

        for name, option in _typed(context, _OF_LOGS):
            instead = f"; of a pipeline it is a setting: --set {key}=…" if (key := _OF_LOGS[name]) else ""
            raise Refused(f"ingest: {option} goes with --input PATH{instead}")
        run(_pipeline(paths, out), set_, "ingest", "ingest" if force else None, data_dir, tracking_uri, as_json)
        return
    if out is None:
        raise Refused("ingest: --input needs --out DIR, the data set to begin or to add to")
    if any(path.endswith(".toml") for path in paths) or set_ or force:
        raise Refused("ingest: give either a pipeline (with --set, --force) or --input, not both")
    for _, option in _typed(context, ("data_dir", "tracking_uri")):
        raise Refused(f"ingest: {option} goes with a pipeline; --out is where a data set lies")
    from recsys_cl.ingest.versions.append import append
    from recsys_cl.stages.ingest import progress

    contract = {"timestamp_unit": timestamp_unit, "as_of": as_of, "max_bad_fraction": max_bad_fraction}
    contract |= {"memory_limit": memory_limit, "threads": threads}
    asked = _request(paths, form, columns, delimiter, watermark, contract)
    with progress() as seen:
        _say(append(out, asked, seen, wait=wait), as_json)


def _pipeline(paths: list[str], out: Path | None) -> Path:
    """The one pipeline that is meant where no ``--input`` is given."""
    if not paths:
        raise Refused("ingest: give a pipeline, or logs with --input PATH --out DIR")
    if out is not None or len(paths) > 1:
        raise Refused("ingest: --out goes with --input PATH; a pipeline says itself where its logs are")
    return Path(paths[0])


def _typed(context: typer.Context, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Those of the parameters ``names`` that stand in the command line, each with its option; variables do not count."""
    for parameter in context.command.params:
        name, source = str(parameter.name), context.get_parameter_source(str(parameter.name))
        if name in names and source is not None and source.name == "COMMANDLINE":
            yield name, parameter.opts[0]


def check(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or globs.")],
    *,
    form: Format = "auto",
    columns: Columns = None,
    delimiter: Delimiter = None,
    timestamp_unit: Unit = "s",
    as_of: AsOf = None,
    max_bad_fraction: MaxBad = 0.2,
    memory_limit: Memory = "2GB",
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Say what `ingest` would make of logs, and keep nothing."""
    from recsys_cl.ingest.versions.append import check as examine
    from recsys_cl.stages.ingest import progress

    contract = {"timestamp_unit": timestamp_unit, "as_of": as_of, "max_bad_fraction": max_bad_fraction}
    contract |= {"memory_limit": memory_limit, "threads": threads}
    asked = _request(paths, form, columns, delimiter, "0s", contract)
    with progress() as seen:
        _say(examine(asked, seen), as_json)


def versions(folder: DataSetFolder, as_json: AsJson = False) -> None:
    """List the versions, newest first."""
    from recsys_cl.ingest.versions.manifest import numbers, read_version

    found = [read_version(folder, number) for number in reversed(numbers(folder))] or [read_version(folder)]
    rows = [version.model_dump(mode="json", exclude={"parts", "sum", "format"}) for version in found]
    for version in found:
        facts = f"{version.rows:>13,} rows  {version.drift['verdict']:<7}  {version.digest[:16]}"
        print(f"{version.number:>6}  {version.committed}  {facts}")
    if as_json:
        print(json.dumps(rows))


def verify(folder: DataSetFolder, as_json: AsJson = False) -> None:
    """Exit 0 if every file of every version is whole and readable, 2 naming the first that is not."""
    from recsys_cl.ingest.versions.verify import verify as examine

    found = examine(folder)
    print(json.dumps(found) if as_json else f"{folder}: whole; {found['versions']} versions, {found['bytes']:,} bytes")


def gc(
    folder: DataSetFolder,
    keep: Annotated[int | None, typer.Option(min=1, help="So many versions; by default all.")] = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Remove what killed writers left and, with --keep, all but the newest versions; what is being read stays."""
    from recsys_cl.ingest.versions.gc import collect

    gone = collect(folder, keep, wait=wait)
    print(json.dumps(gone) if as_json else f"{len(gone['versions'])} versions and {len(gone['parts'])} stray parts removed")


def attach(app: typer.Typer) -> None:
    """Add `ingest`, `check`, and the group `data`."""
    app.command()(ingest)
    app.command()(check)
    data = typer.Typer(no_args_is_help=True, help="Data sets on disk.")
    for command in (versions, verify, gc, get):
        data.command(no_args_is_help=False)(command)
    app.add_typer(data, name="data")


def _request(
    paths: list[str], form: str, columns: list[str] | None, delimiter: str | None, watermark: str, contract: dict[str, Any]
) -> Request:
    from recsys_cl.ingest.versions import options
    from recsys_cl.ingest.versions.append import Request
    from recsys_cl.ingest.versions.inputs import find

    chosen, named, divided = options.settings(contract), options.mapping(columns or []), options.delimiter(delimiter)
    return Request(find(paths, form, named, chosen, divided), named, chosen, divided, options.allowance(watermark))


def _say(summary: dict[str, Any], as_json: bool) -> None:
    from recsys_cl.ingest.reading.layouts import told

    if as_json:
        print(json.dumps(summary, allow_nan=False))
        return
    for layout in summary.pop("layouts"):
        print(f"{'read as':<18} {told(layout)}")
    for name, value in summary.items():
        shown = value["verdict"] if name == "drift" else value
        print(f"{name:<18} {shown:,}" if isinstance(shown, int) else f"{name:<18} {shown}")
