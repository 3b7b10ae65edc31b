"""The numbers that decide a made-up log: two logs of equal worlds are equal byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Settings

Probability = Annotated[float, Field(ge=0, le=1)]


class World(Settings):
    """Size and laws of a made-up shop; the model is told in the package's docstring."""

    users: Annotated[int, Field(ge=1, lt=2**31)] = 2_000
    items: Annotated[int, Field(ge=2, lt=2**31)] = 1_200
    events: Annotated[int, Field(ge=1)] = 80_000
    communities: Annotated[int, Field(ge=1, le=4096)] = 12
    days: Annotated[float, Field(gt=0)] = 180.0
    seed: int = 7
    start: str = "2024-01-01"  # ISO 8601, UTC where it says no offset
    session: Annotated[float, Field(ge=1)] = 6.0  # mean events of a session, about
    follow: Probability = 0.4  # the next item is a successor of the current one
    again: Probability = 0.1  # a session begins with the item that ended the user's last one
    stray: Probability = 0.1  # a free draw is from the whole shop
    fresh: Probability = 0.15  # a free draw is among the items released lately

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.communities > self.items:
            raise Refused(f"synthetic.communities: {self.communities} communities need as many items, got {self.items}")
        if self.again + self.follow > 1:
            raise Refused("synthetic.again: again + follow must not exceed 1")
        _ = self.began
        return self

    @property
    def began(self) -> int:
        """The first instant, seconds since 1970 UTC."""
        try:
            moment = datetime.fromisoformat(self.start)
        except ValueError as error:
            raise Refused(f"synthetic.start: '{self.start}' is not an ISO 8601 time") from error
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())

    @property
    def seconds(self) -> int:
        """How long the log lasts."""
        return max(int(self.days * 86_400), 1)
