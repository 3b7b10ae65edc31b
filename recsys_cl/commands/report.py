"""The report: of a pipeline, or of what was logged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys_cl.commands.options import AsJson, Assignments, DataDir, TrackingUri
from recsys_cl.core.errors import Refused


def report(
    what: Annotated[
        list[str],
        typer.Argument(metavar="PIPELINE | RUN...", help="A pipeline TOML; or MLflow run ids and evaluation folders."),
    ],
    set_: Assignments = None,
    force: Annotated[bool, typer.Option("--force", help="Of a pipeline: write it again although it is there.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Of runs: the folder to write index.html and its companions to; report/ by default.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Of runs: what recipes are compared by; ndcg@20 by default.")] = None,
    data_dir: DataDir = Path("data"),
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Write the HTML report of a pipeline (runs what it needs first), or of logged runs and evaluation folders."""
    pipelines = [each for each in what if each.endswith(".toml")]
    if pipelines and len(what) > 1:
        raise Refused(f"'{pipelines[0]}' is a pipeline; give one pipeline, or run ids and evaluation folders, not both")
    if pipelines and (out or metric):
        raise Refused(
            "--out and --metric are for what was logged; a pipeline's TOML has registry.metric, and --data-dir the place"
        )
    if pipelines:
        from recsys_cl.commands.pipeline import run

        return run(Path(pipelines[0]), set_, "report", "report" if force else None, data_dir, tracking_uri, as_json)
    if set_ or force:
        raise Refused("--set and --force are for a pipeline; what was logged is drawn as it is")
    return _logged(what, out or Path("report"), metric or "ndcg@20", tracking_uri, as_json)


def _logged(what: list[str], out: Path, metric: str, tracking_uri: str | None, as_json: bool) -> None:
    import json

    from recsys_cl.stages.logged import report_logged

    page = report_logged(what, out, metric, tracking_uri)
    print(f"report  {page}")
    if as_json:
        print(json.dumps({"report": str(page)}))


def attach(app: typer.Typer) -> None:
    """Add `report`."""
    app.command()(report)
