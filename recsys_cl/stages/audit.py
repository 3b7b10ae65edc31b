"""The leakage audit: what could have told the models of the test part, looked for in every artifact of training."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from recsys_cl.core.build import build
from recsys_cl.core.files import write_json
from recsys_cl.core.protocols import Job
from recsys_cl.ingest.prepare import Prepare

if TYPE_CHECKING:
    from recsys_cl.ingest.auditing.finding import DataSet, Finding

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuditStage:
    """Reads all three parts, which no other stage but ``evaluate`` may, and measures no model: it only looks for leaks.

    Args:
        prepare: what was promised: the split and the core.
        experiments: the models whose vocabulary is compared.
    """

    prepare: Prepare
    experiments: tuple[str, ...]

    name: ClassVar[str] = "audit"
    version: ClassVar[int] = 2
    writes: ClassVar[tuple[str, ...]] = ("audit",)

    @property
    def reads(self) -> tuple[str, ...]:
        """The data set, what was said of it, and every model."""
        return ("train", "valid", "test", "vocabulary", "data_report", *(f"model/{name}" for name in self.experiments))

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was promised."""
        values: dict[str, Any] = json.loads(self.prepare.model_dump_json(include={"split", "kcore", "cold_items"}))
        return {**values, "experiments": self.experiments}

    def outside(self) -> Mapping[str, str]:
        """Nothing beyond the store is read."""
        return {}

    def run(self, job: Job) -> Mapping[str, float]:
        """Write ``audit``, JSON: the worst ``verdict`` and the ``checks``, each a finding; what is a leak is logged too."""
        from recsys_cl.ingest.auditing.finding import as_json

        findings = self._check(self._load(job.reads), job.reads)
        for finding in findings:
            if finding.verdict == "leak":
                _log.error("leak: %d %s (%s)", finding.count, finding.what, "; ".join(finding.examples))
        write_json(job.out("audit"), as_json(findings))
        verdicts = [finding.verdict for finding in findings]
        return {"checks": len(findings), "warnings": verdicts.count("warning"), "leaks": verdicts.count("leak")}

    def _check(self, data: DataSet, reads: Mapping[str, Path]) -> list[Finding]:
        from recsys_cl.ingest.auditing import duplicates, parts

        split = build("ingest.splits", self.prepare.split, "prepare.split")
        models = {name: _json(reads[f"model/{name}"] / "summary.json")["shape"] for name in self.experiments}
        return [
            parts.overlap(data),
            parts.test_only_ids(data),
            parts.model_vocabulary(data.shape, models),
            parts.core(data, self.prepare.kcore),
            parts.popularity(data, _json(reads["data_report"])),
            parts.time_order(data, getattr(split, "order", "none")),
            parts.held_out_before(data),
            duplicates.duplicate_titles(data),
            duplicates.duplicate_features(data),
        ]

    def _load(self, reads: Mapping[str, Path]) -> DataSet:
        import pandas as pd

        from recsys_cl.ingest.auditing.finding import DataSet
        from recsys_cl.ingest.dataset import load_features, load_items, load_shape, load_users

        vocabulary, names = reads["vocabulary"], ("train", "valid", "test")
        parts = {part: pd.read_parquet(reads[part], columns=["user", "item", "timestamp"]) for part in names}
        users, items, shape = load_users(vocabulary)["user_id"].to_list(), load_items(vocabulary), load_shape(vocabulary)
        features = load_features(vocabulary, shape) if self.prepare.cold_items == "features" else None
        told = frozenset(features.known.nonzero().flatten().tolist()) if features else frozenset[int]()
        return DataSet(parts, shape, users, items["item_id"].to_list(), items.drop(columns="item_id"), told)


def summary(audit: Mapping[str, Any]) -> str:
    """An audit in one line: its verdict, and what is not ok."""
    checks = audit["checks"]
    amiss = [f"{check['name']}: {check['count']}" for check in checks if check["verdict"] != "ok"]
    return f"{audit['verdict']} ({', '.join(amiss)})" if amiss else f"ok ({len(checks)} checks)"


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value
