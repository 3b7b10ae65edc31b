"""Models in the registry, and runs in the tracking store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recsys_cl.commands.options import AsJson, TrackingUri


def promote(  # noqa: PLR0917 - options, which typer passes by name
    model: Annotated[str, typer.Option(help="The registered model's name, e.g. demo.")],
    version: Annotated[int | None, typer.Option(min=1, help="By default the challenger.")] = None,
    metric: Annotated[str, typer.Option(help="What must be better, user by user, on the same test part.")] = "ndcg@20",
    margin: Annotated[float, typer.Option(help="The 95 % interval of the difference must lie above this.")] = 0.0,
    coverage: Annotated[float, typer.Option(min=0, max=1, help="The least share of the catalogue in all lists.")] = 0.0,
    latency_ms: Annotated[float | None, typer.Option(help="The most that 95 % of answers to one user may take.")] = None,
    drift: Annotated[str, typer.Option(metavar="block|warn", help="What follows where the newest rows drifted.")] = "warn",
    force: Annotated[bool, typer.Option("--force", help="Promote whatever the comparison says; it is recorded.")] = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Make a version the champion if it is better and all checks pass; whom it replaces is remembered as previous."""
    from recsys_cl.core.toml import validate
    from recsys_cl.stages.promote import promote_model
    from recsys_cl.tracking.settings import Promotion
    from recsys_cl.tracking.store import open_known

    asked = {"metric": metric, "margin": margin, "coverage": coverage, "latency_ms": latency_ms, "drift": drift}
    rule = validate(Promotion, asked, "promote", "")
    made = promote_model(open_known(Path(), tracking_uri), model, version, rule, force=force)
    print(f"models:/{made.name}/{made.version} ({', '.join(made.aliases)})")


def rollback(
    model: Annotated[str, typer.Option(help="The registered model's name, e.g. demo.")],
    tracking_uri: TrackingUri = None,
) -> None:
    """Make the version before the champion the champion again."""
    from recsys_cl.stages.promote import rollback_model
    from recsys_cl.tracking.store import open_known

    made = rollback_model(open_known(Path(), tracking_uri), model)
    print(f"models:/{made.name}/{made.version} ({', '.join(made.aliases)})")


def reap(
    experiment: Annotated[str | None, typer.Option(help="A pipeline's name; by default every experiment.")] = None,
    silent: Annotated[
        float | None,
        typer.Option(min=2, metavar="MINUTES", help="Also runs of other machines without a heartbeat for so long."),
    ] = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Close runs that killed processes of this machine left open, and with --silent those of other machines."""
    from recsys_cl.tracking.experiment import reap as close
    from recsys_cl.tracking.store import open_known

    closed = close(open_known(Path(), tracking_uri), experiment, silent)
    for run_id in closed:
        print(run_id)
    print(f"{len(closed)} closed")


def list_models(tracking_uri: TrackingUri = None, as_json: AsJson = False) -> None:
    """Every version with its aliases, newest first."""
    from recsys_cl.tracking.promotion import catalogue
    from recsys_cl.tracking.store import open_known

    found = catalogue(open_known(Path(), tracking_uri))
    for row in found:
        print(f"models:/{row['model']}/{row['version']}  {', '.join(row['aliases']) or '-'}  {row['decision'] or '-'}")
    if as_json:
        print(json.dumps(found))


def attach(app: typer.Typer) -> None:
    """Add `promote`, `rollback`, and the groups `models` and `runs`."""
    app.command()(promote)
    app.command()(rollback)
    models = typer.Typer(no_args_is_help=True, help="Models in the registry.")
    for name, command in (("list", list_models), ("promote", promote), ("rollback", rollback)):
        models.command(name)(command)
    runs = typer.Typer(no_args_is_help=True, help="Runs in the tracking store.")
    runs.command(no_args_is_help=False)(reap)
    app.add_typer(models, name="models")
    app.add_typer(runs, name="runs")
