"""What a pipeline says about preparing: what is positive, what a repeat is worth, where to split, which core to keep."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component, Settings
from recsys_cl.ingest.engine import Kind
from recsys_cl.ingest.settings import Memory, Threads

Repeats = Literal["first", "last", "keep", "sum"]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class KCore(Settings):
    """How many distinct partners each must keep in train; 1 removes nothing."""

    users: int = Field(default=1, ge=1)  # every user keeps at least so many distinct items
    items: int = Field(default=1, ge=1)  # every item keeps at least so many distinct users


class Prepare(Settings):
    """The table ``[prepare]`` of a pipeline. ``split`` is a component of ``recsys_cl.ingest.splits``.

    A seeded split has a seed of its own, so that replicates of training share one test set.
    """

    min_rating: float | None = None  # ratings below, or missing, are not positive
    events: tuple[str, ...] | dict[str, Weight] | None = None  # only these event types are positive; perhaps with weights
    min_weight: Weight | None = None  # lighter events, or sums with repeats = "sum", are not positive
    max_events_per_day: int | None = Field(default=None, ge=1)  # what a user does beyond on a day of UTC is a bot's
    repeats: Repeats = "first"  # of one user with one item, decided before the split
    behaviours: bool = False  # keep, in train, how often and when first each pair met by each type of event
    session_gap: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,8}[smhd]$")  # a longer pause begins a new session
    split: Component = Component(use="time")
    kcore: KCore = KCore()
    features: dict[Annotated[str, Field(pattern=r"^[\w\-]+$")], Component] = Field(
        default_factory=dict
    )  # the items' content, by modality
    user_features: dict[Annotated[str, Field(pattern=r"^[\w\-]+$")], Component] = Field(
        default_factory=dict
    )  # what the user table says of people, by modality; read beside the items' content
    cold_items: Literal["miss", "features"] = "miss"  # of no use, or known by their content where the item table has some
    engine: Kind = "duckdb"  # what runs the relational half; the result does not depend on it
    memory_limit: Memory = "2GB"  # beyond it the engine spills
    threads: Threads | None = None  # None: every core; the result does not depend on it

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.events is not None and not self.events:
            raise Refused("prepare.events: an empty list leaves nothing; leave the key out for all events")
        split = build("ingest.splits", self.split, "prepare.split")
        for name, component in self.features.items():
            build("ingest.features", component, f"prepare.features.{name}", name=name)
        for name, component in self.user_features.items():
            build("ingest.features", component, f"prepare.user_features.{name}", name=name)
        if self.user_features and not self.features:
            raise Refused("prepare.user_features: read beside the items' content; declare that under [prepare.features]")
        if self.cold_items == "features" and not self.features:
            raise Refused('prepare.cold_items: "features" needs some; declare the items\' content under [prepare.features]')
        if self.repeats == "last" and getattr(split, "order", "") == "global":
            raise Refused(
                "prepare.repeats: under a time split 'last' would let later events change train; use 'first' or 'keep'"
            )
        return self

    @property
    def session_gap_microseconds(self) -> int | None:
        """The pause after which a session is over."""
        return None if self.session_gap is None else int(self.session_gap[:-1]) * _SECONDS[self.session_gap[-1]] * 1_000_000
