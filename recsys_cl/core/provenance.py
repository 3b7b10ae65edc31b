"""Where a recipe comes from: the paper, what others printed, what we reached."""

from __future__ import annotations

from typing import Literal

from recsys_cl.core.settings import Settings


class Published(Settings):
    """A number printed by others, and how they chose the model it belongs to."""

    data: str
    metrics: dict[str, float]
    selection: Literal["test", "validation", "unstated"]
    source: str


class Measured(Settings):
    """A number of ours, its epoch chosen on validation: which data and part of them, which command, when."""

    data: str
    part: Literal["test", "valid"] = "test"
    digest: str
    """Of what was ingested, or of the train part where the command's record names the parts."""
    metrics: dict[str, float]
    selection: Literal["validation"] = "validation"
    command: str
    date: str
    note: str = ""


class Provenance(Settings):
    """Where a recipe comes from and what it reached."""

    paper: str
    note: str = ""
    published: tuple[Published, ...] = ()
    measured: tuple[Measured, ...] = ()
