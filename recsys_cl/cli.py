"""The command line: parses, calls, prints. All work is done elsewhere and imported when its command runs."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from recsys_cl import __version__
from recsys_cl.core.errors import RecsysError

app = typer.Typer(
    name="recsys-cl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Interaction logs to a registered, honestly evaluated contrastive recommender.\n\n"
    "Start with [bold]recsys-cl run pipelines/demo.toml[/bold]; point a copy of that file at your own logs next.",
    epilog="Exit codes: 0 done, 2 input or configuration refused, 3 environment (disk, lock, store), 1 internal error.",
)

PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="A pipeline TOML, e.g. pipelines/demo.toml.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, e.g. --set override.training.epochs=3. Repeatable."),
]
DataDir = Annotated[Path, typer.Option(help="Where artifacts are kept, one folder a pipeline.")]
TrackingUri = Annotated[
    str | None,
    typer.Option(envvar="MLFLOW_TRACKING_URI", help="An MLflow server or store; by default SQLite under mlruns/."),
]
AsJson = Annotated[bool, typer.Option("--json", help="End standard output with one line of JSON.")]
Force = Annotated[str | None, typer.Option(metavar="STAGE", help="Run this stage again although its result is there.")]


def _version(asked: bool) -> None:
    if asked:
        print(f"recsys-cl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What stands before a command."""


@app.command()
def run(
    pipeline: PipelineFile,
    set_: Assignments = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="The last stage to run, e.g. train or train/sgl.")] = None,
    force: Force = None,
    data_dir: DataDir = Path("data"),
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Run a whole pipeline: ingest, prepare, train, evaluate, report, register. What is up to date is skipped."""
    from recsys_cl.console import Console
    from recsys_cl.stages.pipeline import run_pipeline

    console = Console()
    result = run_pipeline(pipeline, tuple(set_ or ()), data_dir, tracking_uri, console.watch, until=until, force=force)
    console.table(result)
    if as_json:
        print(json.dumps(result.as_json(), allow_nan=False))


def _stage_command(name: str, does: str) -> None:
    def command(
        pipeline: PipelineFile,
        set_: Assignments = None,
        force: Annotated[bool, typer.Option("--force", help="Run it again although its result is there.")] = False,
        data_dir: DataDir = Path("data"),
        tracking_uri: TrackingUri = None,
        as_json: AsJson = False,
    ) -> None:
        run(pipeline, set_, name, name if force else None, data_dir, tracking_uri, as_json)

    app.command(name, help=f"{does} Runs what it needs first.")(command)


_stage_command("ingest", "Bring logs into the one Parquet schema.")
_stage_command("prepare", "Split, filter and number the interactions.")
_stage_command("train", "Train every experiment's recipe.")
_stage_command("evaluate", "Rank the full catalogue for the held-out test part.")
_stage_command("report", "Write the HTML report.")
_stage_command("register", "Register the recipe that is best on validation.")


@app.command()
def recommend(
    model: Annotated[str, typer.Option(help="A registered model (models:/demo@champion) or a bundle folder.")],
    out: Annotated[Path, typer.Option(help="The Parquet file to write: user_id, rank, item_id, score, source.")],
    users: Annotated[
        Path | None,
        typer.Option(help="CSV, JSONL or Parquet with a user_id column; by default every known user."),
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="How many items a user.")] = 10,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Write the top items for all users, or a file of them. Unknown users get the popular list, marked so."""
    from recsys_cl.serving.load import load_bundle
    from recsys_cl.serving.recommend import recommend_to

    counts = recommend_to(load_bundle(model, tracking_uri), users, k, out)
    print(f"{out}: {counts['rows']:,} rows for {counts['users']:,} users ({counts['unknown']:,} of them unknown)")
    if as_json:
        print(json.dumps({"out": str(out), **counts}))


@app.command()
def serve(
    model: Annotated[str, typer.Option(help="A registered model (models:/demo@champion) or a bundle folder.")],
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


@app.command()
def promote(
    model: Annotated[str, typer.Option(help="The registered model's name, e.g. demo.")],
    version: Annotated[int | None, typer.Option(min=1, help="By default the challenger.")] = None,
    metric: Annotated[str, typer.Option(help="What must be better, user by user, on the same test part.")] = "ndcg@20",
    margin: Annotated[float, typer.Option(help="The 95 % interval of the difference must lie above this.")] = 0.0,
    force: Annotated[bool, typer.Option("--force", help="Promote whatever the comparison says; it is recorded.")] = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Make a version the champion if it is better; the champion it replaces is remembered as previous."""
    from recsys_cl.stages.promote import promote_model
    from recsys_cl.tracking.store import open_known

    made = promote_model(open_known(Path(), tracking_uri), model, version, metric, margin, force=force)
    print(f"models:/{made.name}/{made.version} ({', '.join(made.aliases)})")


@app.command()
def rollback(
    model: Annotated[str, typer.Option(help="The registered model's name, e.g. demo.")],
    tracking_uri: TrackingUri = None,
) -> None:
    """Make the version before the champion the champion again."""
    from recsys_cl.tracking.promotion import rollback as roll_back
    from recsys_cl.tracking.store import open_known

    made = roll_back(open_known(Path(), tracking_uri), model)
    print(f"models:/{made.name}/{made.version} ({', '.join(made.aliases)})")


runs = typer.Typer(no_args_is_help=True, help="Runs in the tracking store.")
models = typer.Typer(no_args_is_help=True, help="Models in the registry.")
app.add_typer(runs, name="runs")
app.add_typer(models, name="models")
models.command("promote")(promote)
models.command("rollback")(rollback)


@runs.command()
def reap(
    experiment: Annotated[str | None, typer.Option(help="A pipeline's name; by default every experiment.")] = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Close runs that killed processes of this machine left open."""
    from recsys_cl.tracking.experiment import reap as close
    from recsys_cl.tracking.store import open_known

    closed = close(open_known(Path(), tracking_uri), experiment)
    for run_id in closed:
        print(run_id)
    print(f"{len(closed)} closed")


@models.command("list")
def list_models(tracking_uri: TrackingUri = None, as_json: AsJson = False) -> None:
    """Every version with its aliases, newest first."""
    from recsys_cl.tracking.promotion import catalogue
    from recsys_cl.tracking.store import open_known

    found = catalogue(open_known(Path(), tracking_uri))
    for row in found:
        print(f"models:/{row['model']}/{row['version']}  {', '.join(row['aliases']) or '-'}  {row['decision'] or '-'}")
    if as_json:
        print(json.dumps(found))


@app.command()
def recipes(as_json: AsJson = False) -> None:
    """List every recipe: paper, family, published and measured numbers."""
    from recsys_cl.config import load_recipe, recipe_names
    from recsys_cl.console import Console

    known = {name: load_recipe(name) for name in recipe_names()}
    if as_json:
        fields = {"title", "family", "provenance"}
        print(json.dumps({name: recipe.model_dump(mode="json", include=fields) for name, recipe in known.items()}))
    else:
        Console().recipes(known)


@app.command()
def doctor(data_dir: DataDir = Path("data"), tracking_uri: TrackingUri = None, as_json: AsJson = False) -> None:
    """Check versions, device, threads, memory and that the stores can be written."""
    from recsys_cl.console import Console
    from recsys_cl.doctor import examine

    findings = examine(data_dir, tracking_uri)
    Console().findings(findings)
    if as_json:
        print(json.dumps([finding.__dict__ for finding in findings]))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(3)


def main() -> NoReturn:
    """Entry point. A user's mistake is one message and an exit code, never a traceback."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        code: Any = app(prog_name="recsys-cl", standalone_mode=False)
    except RecsysError as error:
        code = _fail(str(error), error.exit_code)
    except typer.Exit as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = _fail("stopped; the same command goes on from here", 130)
    except Exception as error:
        code = _usage(error)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: Exception) -> int:
    """Exit 2 with the command line's own message for a wrong option; a traceback and 1 for what is our fault."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return 2
    traceback.print_exception(error)
    return _fail("internal error; please report it with the lines above", 1)


def _fail(message: str, code: int) -> int:
    print(f"recsys-cl: {message}", file=sys.stderr)
    return code


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
