"""Ways to split one log that give different answers: which there are, and what each is made of."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from recsys_cl.core.build import build, resolve
from recsys_cl.core.settings import Component, Settings

_USUAL: dict[str, dict[str, Any]] = {
    "published": {"use": "published"},
    "leave_last_out": {"use": "leave_last_out"},
    "ratio": {"use": "ratio", "random": True},
    "time": {"use": "time"},
    "gap": {"use": "time", "gap": "1d"},
    "rolling": {"use": "rolling"},
}
"""What is compared unless a pipeline says otherwise."""


class Protocols(Settings):
    """The table ``[protocols]`` of a pipeline."""

    metric: str = ""  # "": registry.metric; on the test part
    splits: dict[str, Component] = Field(default_factory=dict)  # by name; empty: the usual ones

    @field_validator("splits")
    @classmethod
    def _check(cls, splits: dict[str, Component]) -> dict[str, Component]:
        for name, split in splits.items():
            build("ingest.splits", split, f"protocols.splits.{name}")
        return splits

    def of(self, own: Component) -> dict[str, Component]:
        """The splits to compare by name, each once; the usual one of the pipeline's ``own`` kind is its own."""
        if self.splits:
            return dict(self.splits)
        found: dict[str, Component] = {}
        for name, usual in _USUAL.items():
            split = Component.model_validate(usual)
            if usual["use"] == own.use:
                there = any(each.use == own.use for each in found.values())
                split = Component.model_validate({**usual, **own.model_dump()}) if there else own
            if split not in found.values():
                found[name] = split
        return found if own in found.values() else {"own": own, **found}


def windows_of(split: Component) -> list[Component]:
    """One split for each window, where it is of several and none is chosen; or else the split itself."""
    count = getattr(build("ingest.splits", split, "protocols.splits"), "windows", 1)
    if "window" in split.arguments or count == 1:
        return [split]
    return [Component.model_validate({**split.model_dump(), "window": number}) for number in range(1, count + 1)]


def needs_clock(split: Component) -> bool:
    """Whether the split compares times of different users."""
    return getattr(resolve("ingest.splits", split.use, "protocols.splits"), "order", "") == "global"


def has_clock(source: Component) -> bool:
    """Whether times of different users can be compared; those of the published formats are places in a list."""
    return bool(getattr(resolve("ingest.sources", source.use, "ingest.source.use"), "timed", True))
