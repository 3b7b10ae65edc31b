"""The recipes that come with the package, read once for all tests that choose among them; whoever changes one loads it anew."""

from __future__ import annotations

from recsys_cl.config import load_recipe, recipe_names

SHIPPED = {name: load_recipe(name) for name in recipe_names()}


def of_family(family: str) -> list[str]:
    """Names of the recipes of a family, e.g. ``"graph"``."""
    return [name for name, recipe in SHIPPED.items() if recipe.family == family]
