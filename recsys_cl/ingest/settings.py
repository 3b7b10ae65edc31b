"""What a pipeline says about its logs: which source, and how strict the contract is."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Literal

from pydantic import Field, field_validator

from recsys_cl.core.settings import Component, Settings
from recsys_cl.ingest.engine import Kind

Memory = Annotated[str, Field(pattern=r"^([1-9][0-9]*(\.[0-9]+)?|0?\.[0-9]*[1-9][0-9]*)(MB|GB|MiB|GiB)$")]
Threads = Annotated[int, Field(ge=1, le=1024)]  # the engine would really start a hundred thousand


class Ingest(Settings):
    """The table ``[ingest]`` of a pipeline.

    ``source`` is a component of ``recsys_cl.ingest.sources``; everything else holds for all sources alike.
    """

    source: Component
    users: str | None = None  # a table of users: .csv, .jsonl or .parquet
    user_columns: dict[str, str] = Field(default_factory=dict)  # ``user_id`` and others -> the user table's names
    timestamp_unit: Literal["s", "ms", "us"] = "s"  # of epoch numbers; ISO 8601 text and typed timestamps carry their own
    max_bad_fraction: float = Field(default=0.2, ge=0, le=1)  # more bad rows than this and the input is refused
    as_of: datetime | None = None  # rows later than this are bad; without an offset it is UTC, a day is its beginning
    engine: Kind = "duckdb"  # what runs the relational half; the result does not depend on it
    memory_limit: Memory = "2GB"  # above it the engine spills to disk
    threads: Threads | None = None  # None: every core; the result does not depend on it

    @field_validator("as_of", mode="before")
    @classmethod
    def _midnight(cls, value: object) -> object:
        """A day, as TOML has it, is its beginning, as on the command line; what is typed with ``--set`` comes as text."""
        if type(value) is date:
            return datetime.combine(value, time())
        try:
            return datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            return value
