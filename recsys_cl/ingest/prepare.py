"""What a pipeline says about preparing: what is positive, what a repeat is worth, where to split, which core to keep."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component, Settings

Repeats = Literal["first", "last", "keep"]


class KCore(Settings):
    """How many distinct partners each must keep in train; 1 removes nothing."""

    users: int = Field(default=1, ge=1)  # every user keeps at least so many distinct items
    items: int = Field(default=1, ge=1)  # every item keeps at least so many distinct users


class Prepare(Settings):
    """The table ``[prepare]`` of a pipeline. ``split`` is a component of ``recsys_cl.ingest.splits``.

    A seeded split has a seed of its own, so that replicates of training share one test set.
    """

    min_rating: float | None = None  # ratings below, or missing, are not positive
    events: tuple[str, ...] | None = Field(default=None, min_length=1)  # only these event types are positive
    repeats: Repeats = "first"  # of one user with one item, decided before the split
    split: Component = Component(use="time")
    kcore: KCore = KCore()
    memory_limit: str = Field(default="2GB", pattern=r"^[0-9]+(\.[0-9]+)?(MB|GB|MiB|GiB)$")  # beyond it the engine spills
    threads: int | None = Field(default=None, ge=1)  # None: every core; the result does not depend on it

    @model_validator(mode="after")
    def _check(self) -> Self:
        split = build("ingest.splits", self.split, "prepare.split")
        if self.repeats == "last" and getattr(split, "by_time", False):
            raise Refused(
                "prepare.repeats: under a time split 'last' would let later events change train; use 'first' or 'keep'"
            )
        return self
