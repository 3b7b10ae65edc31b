"""Options that several commands share, with one wording each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="A pipeline TOML, e.g. pipelines/demo.toml.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting, e.g. --set override.training.epochs=3, or in a list override.views.0.rate=0.2. Repeatable.",
    ),
]
DataDir = Annotated[Path, typer.Option(help="Where artifacts are kept, one folder a pipeline.")]
TrackingUri = Annotated[
    str | None,
    typer.Option(envvar="MLFLOW_TRACKING_URI", help="An MLflow server or store; by default SQLite under mlruns/."),
]
AsJson = Annotated[bool, typer.Option("--json", help="End standard output with one line of JSON.")]
Force = Annotated[str | None, typer.Option(metavar="STAGE", help="Run this stage again although its result is there.")]
LogFormat = Annotated[
    str, typer.Option(metavar="text|json", envvar="RECSYS_CL_LOG_FORMAT", help="Of what is said on standard error.")
]
