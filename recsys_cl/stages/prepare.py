"""Interactions to train, valid, test and a vocabulary; the last stage at which an id is text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from recsys_cl.core.files import write_json
from recsys_cl.ingest.prepare import Prepare

if TYPE_CHECKING:
    from recsys_cl.core.protocols import Job


@dataclass(frozen=True)
class PrepareStage:
    """Splits and numbers what was ingested."""

    prepare: Prepare

    name: ClassVar[str] = "prepare"
    version: ClassVar[int] = 7
    reads: ClassVar[tuple[str, ...]] = ("interactions", "items", "users", "drift")
    writes: ClassVar[tuple[str, ...]] = ("train", "valid", "test", "vocabulary", "data_report")

    @property
    def settings(self) -> Mapping[str, Any]:
        """The table ``[prepare]``, but for what cannot change the result."""
        values: dict[str, Any] = json.loads(self.prepare.model_dump_json(exclude={"engine", "memory_limit", "threads"}))
        return values

    def outside(self) -> Mapping[str, str]:
        """Nothing beyond the store is read."""
        return {}

    def run(self, job: Job) -> Mapping[str, float]:
        """Write the parts, the vocabulary and the facts about them."""
        from recsys_cl.ingest.preparing.coded_log import PARTS
        from recsys_cl.ingest.preparing.data_report import data_report
        from recsys_cl.ingest.preparing.preparation import prepare
        from recsys_cl.ingest.preparing.vocabulary import write_part, write_vocabulary

        with TemporaryDirectory(dir=job.scratch) as working:
            prepared = prepare(job.reads["interactions"], self.prepare, Path(working), job.reads["items"], job.reads["users"])
        with ThreadPoolExecutor(1) as pool:  # compression and counting share no data and hold no lock
            written = [pool.submit(write_part, part, job.out(name)) for name, part in zip(PARTS, prepared.parts, strict=True)]
            tables = (job.reads["items"], job.reads["users"])
            written.append(pool.submit(write_vocabulary, prepared, *tables, job.out("vocabulary")))
            drift = json.loads(job.reads["drift"].read_text("utf-8"))
            report = {**data_report(prepared), "drift": drift}
            for each in written:
                each.result()
        write_json(job.out("data_report"), report)
        return {"users": prepared.shape.users, "items": prepared.shape.items, **prepared.counts}
