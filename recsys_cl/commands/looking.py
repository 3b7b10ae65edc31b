"""What there is here: recipes, and the state of the installation."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from recsys_cl.commands.options import AsJson, DataDir, TrackingUri


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


def attach(app: typer.Typer) -> None:
    """Add `recipes` and `doctor`."""
    app.command()(recipes)
    app.command()(doctor)
