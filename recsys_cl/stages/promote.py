"""A challenger becomes champion only where it is better for the same users on the same test part, and all checks pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from recsys_cl.core.errors import Refused
from recsys_cl.evaluation.choosing import refuse_choice, refuse_shared
from recsys_cl.evaluation.settings import metric_named
from recsys_cl.stages.decision import Decision, conclude
from recsys_cl.stages.gates import Gate, coverage_gate, difference_gate, drift_gate, latency_gate, leakage_gate
from recsys_cl.stages.measured import read_measured, refuse_unlike, refuse_unmeasured
from recsys_cl.stages.reference import evaluation_of
from recsys_cl.stages.register import AUDIT

if TYPE_CHECKING:
    from recsys_cl.serving.bundle import Bundle
    from recsys_cl.stages.measured import Measured
    from recsys_cl.tracking.registry import Registration
    from recsys_cl.tracking.settings import Promotion
    from recsys_cl.tracking.store import Store


def promote_model(store: Store, name: str, version: int | None, rule: Promotion, *, force: bool = False) -> Registration:
    """Verify a version's files, put it through every gate, and point ``champion`` at it; without one, all but the difference.

    All evidence is read from the store, so any machine that reaches it can decide.

    Args:
        store: the registry and the runs.
        name: of the model.
        version: None: the challenger.
        rule: the metric, which must be named here, its margin, and the floors.
        force: promote whatever the gates say; what they said is recorded all the same.

    Raises:
        Refused: the metric is none that models are compared by, there is no such version, its files were changed, it cannot
            be compared, or a gate is blocked; the last is recorded.
    """
    from recsys_cl.tracking.promotion import aliases, registration
    from recsys_cl.tracking.registry import CHALLENGER, CHAMPION

    refuse_choice(metric_named(rule.metric, "--metric"), "--metric")
    refuse_shared(rule.metric, "--metric")
    roles = aliases(store, name)
    number = version or roles.get(CHALLENGER)
    if number is None:
        raise Refused(f"model '{name}' has no challenger; name a --version")
    champion = roles.get(CHAMPION)
    _verify(store, name, number)
    if champion == number:
        return registration(store, name, number)
    facts: dict[str, Any] = {"metric": rule.metric, "margin": rule.margin}
    try:
        gates, digest = _gates(store, name, number, champion, rule)
        facts |= {"test_digest": digest}
    except Refused as problem:
        if not force:
            raise
        gates = [Gate("difference", "blocked", str(problem))]
    decision = conclude(store, name, number, champion, gates, facts, force=force)
    return _answered(store, decision)


def rollback_model(store: Store, name: str) -> Registration:
    """Make the version before the champion the champion again, once its files were found to be those that were registered.

    Raises:
        Refused: there is no such version, or its files were changed; the champion stays.
    """
    from recsys_cl.tracking.promotion import rollback

    return rollback(store, name, lambda version: _verify(store, name, version))


def _verify(store: Store, name: str, version: int) -> None:
    from recsys_cl.serving.load import find_version, registered_folder

    with store.explained(), registered_folder(store.client, find_version(store.client, name, version=str(version))):
        pass  # every byte is what was registered


def _answered(store: Store, decision: Decision) -> Registration:
    from recsys_cl.tracking.promotion import registration

    if decision.outcome == "kept back":
        grounds = "; ".join(map(str, decision.blocked))
        what = f"does not replace {decision.champion}" if decision.champion else "does not become champion"
        raise Refused(f"model '{decision.model}': version {decision.version} {what}: {grounds}")
    return registration(store, decision.model, decision.version)


def _gates(store: Store, name: str, ours: int, theirs: int | None, rule: Promotion) -> tuple[list[Gate], str]:
    """Every gate of version ``ours``, from what its run keeps; and the digest of the test part. ``theirs``: the champion's.

    Raises:
        Refused: the two were measured on other data or users, or not by the metric.
    """
    with TemporaryDirectory() as scratch:
        versions = [ours] if theirs is None else [ours, theirs]
        measured = [_measured(store, name, version, Path(scratch) / str(version)) for version in versions]
        try:
            refuse_unlike(measured)
        except Refused as error:
            again = "a run of the pipeline with --set promotion.automatic=true measures the champion anew; or use --force"
            raise Refused(f"{error}; {again}") from error
        for each in measured:
            refuse_unmeasured(rule.metric, each)
        audit = _fetched(store, name, ours, AUDIT, Path(scratch))
        report = _fetched(store, name, ours, "report/report.json", Path(scratch))
    drift = ((report or {}).get("data") or {}).get("drift")
    limit = rule.latency_ms
    latency = latency_gate(registered(store, name, ours), limit, _k(rule)) if limit else Gate("latency", "ok", "not asked for")
    mine, champion = measured[0], measured[1:]
    gates = [compared(mine, other.values[rule.metric], rule) for other in champion] + of_the_data(drift, audit, rule)
    return [*gates, coverage_gate(mine.facts["test"], rule.depth, rule.coverage), latency], mine.digests["test"]


def compared(ours: Measured, theirs: Any, rule: Promotion) -> Gate:
    """The gate of the paired difference; ``theirs`` has the champion's values in the order of ``ours``."""
    return difference_gate(rule.metric, ours.values[rule.metric].to_numpy() - theirs.to_numpy(), rule.margin)


def of_the_data(drift: Mapping[str, Any] | None, audit: Mapping[str, Any] | None, rule: Promotion) -> list[Gate]:
    """The gates that ask what the version was made of."""
    return [drift_gate(drift, rule.drift), leakage_gate(audit)]


def registered(store: Store, name: str, version: int) -> Bundle:
    """The registered copy itself, verified."""
    from recsys_cl.serving.bundle import read_bundle
    from recsys_cl.serving.load import find_version, registered_folder
    from recsys_cl.serving.package import BUNDLE

    with (
        store.explained(),
        registered_folder(store.client, find_version(store.client, name, version=str(version))) as folder,
    ):
        return read_bundle(folder / BUNDLE)


def _measured(store: Store, name: str, version: int, scratch: Path) -> Measured:
    scratch.mkdir()
    return read_measured(
        evaluation_of(f"models:/{name}/{version}", lambda: store, scratch), f"model '{name}' version {version}"
    )


def _fetched(store: Store, name: str, version: int, path: str, scratch: Path) -> dict[str, Any] | None:
    """A JSON artifact of the version's run; None: the run does not keep it."""
    with store.explained():
        run_id = store.client.get_model_version(name, str(version)).run_id
        there = {found.path for found in store.client.list_artifacts(run_id, path.rpartition("/")[0])}
        if path not in there:
            return None
        value: dict[str, Any] = json.loads(Path(store.client.download_artifacts(run_id, path, str(scratch))).read_text("utf-8"))
        return value


def _k(rule: Promotion) -> int:
    return int(rule.depth or 10)
