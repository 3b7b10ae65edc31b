"""Why each stage would run or not: its fingerprint against the newest result there is, and nothing is run to know it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from recsys_cl.core.protocols import Stage
from recsys_cl.core.version import VERSION
from recsys_cl.stages.runner import stands
from recsys_cl.stages.store import Artifact, Receipt, Store, key_digests


@dataclass(frozen=True, slots=True)
class Reason:
    """What would become of one stage."""

    stage: str
    will: Literal["skip", "run", "depends"]
    why: str


def explain(stages: Sequence[Stage], store: Store) -> list[Reason]:
    """A reason for every stage, in order.

    A stage behind one that will run ``depends``: what it reads may come out the same, and then it is skipped.
    """
    artifacts: dict[str, Artifact] = {}
    reasons: list[Reason] = []
    for stage in stages:
        unknown = [name for name in stage.reads if name not in artifacts]
        if unknown:
            reasons.append(Reason(stage.name, "depends", _waiting(stage, unknown, store)))
            continue
        reads, outside = {name: artifacts[name] for name in stage.reads}, stage.outside()
        receipt = store.find(stage, store.fingerprint(stage, reads, outside))
        if receipt is None:
            reasons.append(Reason(stage.name, "run", "; ".join(_changes(stage, reads, outside, store.newest(stage)))))
        elif not stands(stage, receipt):
            reasons.append(Reason(stage.name, "run", f"what it did on {receipt.facts['committed']} no longer stands"))
        else:
            artifacts |= {name: receipt.artifact(name) for name in stage.writes}
            reasons.append(Reason(stage.name, "skip", f"up to date since {receipt.facts['committed']}"))
    return reasons


def _waiting(stage: Stage, unknown: Sequence[str], store: Store) -> str:
    newest = store.newest(stage)
    if newest is None:
        return "never made"
    own = _own_changes(stage, newest)
    return "; ".join([*own, f"reads {', '.join(unknown)}, to be made first"])


def _changes(stage: Stage, reads: Mapping[str, Artifact], outside: Mapping[str, str], newest: Receipt | None) -> list[str]:
    """Everything in which the stage differs from its newest result."""
    if newest is None:
        return ["never made"]
    before, told = newest.facts["reads"], _own_changes(stage, newest)
    told += [f"input {name} changed" for name, read in reads.items() if before.get(name) != read.digest]
    told += [f"{name} changed" for name, digest in outside.items() if newest.facts["outside"].get(name) != digest]
    told += [f"{name} is gone" for name in newest.facts["outside"] if name not in outside]
    return told or ["its result is not there"]


def _own_changes(stage: Stage, newest: Receipt) -> list[str]:
    facts = newest.facts
    told = [f"package {facts['code']} became {VERSION}"] if facts["code"] != VERSION else []
    told += (
        [f"stage version {facts['stage_version']} became {stage.version}"] if facts["stage_version"] != stage.version else []
    )
    old, new = facts.get("settings"), key_digests(json.loads(json.dumps(stage.settings)))
    if old is None:
        return told
    told += [f"setting {key} changed" for key in new if key in old and old[key] != new[key]]
    told += [f"setting {key} is new" for key in new if key not in old]
    return told + [f"setting {key} is gone" for key in old if key not in new]


def as_json(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    """Each reason by its fields."""
    return [{"stage": one.stage, "will": one.will, "why": one.why} for one in reasons]
