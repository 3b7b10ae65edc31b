"""Where a recipe runs, and in how many processes it may be torn apart."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from recsys_cl.core.settings import Settings


class Runtime(Settings):
    """Where a recipe runs."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    threads: int = Field(0, ge=0)  # 0: as many as torch chooses
    gather_negatives: bool = True  # several processes contrast all their rows, as one would; False: each its own
    shard_tables: bool = False  # several processes keep some rows each of the tables; the same bytes come out
    timeout: int = Field(600, ge=1)  # seconds for which one of several processes waits for the others

    def decides(self) -> dict[str, Any]:
        """What of it decides the weights."""
        told = self.model_dump(mode="json", exclude={"threads", "timeout", "shard_tables"})
        return {key: value for key, value in told.items() if key != "gather_negatives" or not value}
