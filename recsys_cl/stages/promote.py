"""A challenger becomes champion only where it is better for the same users on the same test part, beyond doubt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from recsys_cl.core.errors import Refused, nearest

if TYPE_CHECKING:
    import pandas

    from recsys_cl.evaluation.compare import Interval
    from recsys_cl.tracking.registry import Registration
    from recsys_cl.tracking.store import Store

_FACTS = ("user", "user_id", "held_out")  # columns of per_user.parquet that are no metrics


@dataclass(frozen=True, slots=True)
class Verdict:
    """A difference of means over the same users, challenger minus champion."""

    metric: str
    interval: Interval
    users: int
    digest: str  # of the test part

    def __str__(self) -> str:
        one = self.interval
        return f"{self.metric} {one.mean:+.5f} [{one.low:+.5f}, {one.high:+.5f}] over {self.users} users"


def promote_model(
    store: Store, name: str, version: int | None, metric: str, margin: float, *, force: bool = False
) -> Registration:
    """Verify a version's files, compare it with the champion, and point ``champion`` at it.

    Args:
        store: the registry and the runs.
        name: of the model.
        version: None: the challenger.
        metric: a column of the runs' ``evaluation/per_user.parquet``.
        margin: the lower end of the 95 % interval of the difference must be above it.
        force: promote whatever the comparison says; its outcome is recorded all the same.

    Raises:
        Refused: there is no such version, its files were changed, it cannot be compared, or it is not better;
            the last is recorded as tags of the version.
    """
    from recsys_cl.serving.load import find_version, registered_folder
    from recsys_cl.tracking.promotion import aliases, promote, record
    from recsys_cl.tracking.registry import CHALLENGER, CHAMPION

    roles = aliases(store, name)
    number = version or roles.get(CHALLENGER)
    if number is None:
        raise Refused(f"model '{name}' has no challenger; name a --version")
    champion = roles.get(CHAMPION)
    with store.explained(), registered_folder(store.client, find_version(store.client, name, version=str(number))):
        pass  # every byte is what was registered
    if champion is None or champion == number:
        return promote(store, name, number, {"against": "nobody"}, champion)
    against = {"against": str(champion), "margin": f"{margin:g}"}
    try:
        verdict = compare(store, name, number, champion, metric)
    except Refused as problem:
        if not force:
            raise
        return promote(store, name, number, {**against, "forced": "yes", "evidence": str(problem)[:500]}, champion)
    against |= {"evidence": str(verdict), "test_digest": verdict.digest}
    better = verdict.interval.low > margin
    if not better and not force:
        record(store, name, number, "kept back", against)
        raise Refused(f"model '{name}': version {number} is not better than {champion} by more than {margin:g}: {verdict}")
    return promote(store, name, number, against | ({} if better else {"forced": "yes"}), champion)


def compare(store: Store, name: str, ours: int, theirs: int, metric: str) -> Verdict:
    """Version ``ours`` minus version ``theirs`` of model ``name``, user by user.

    Raises:
        Refused: they were measured on other test parts or users, or not by ``metric``.
    """
    from recsys_cl.evaluation.compare import paired_interval

    (mine, my_digest), (other, other_digest) = (_measured(store, name, version) for version in (ours, theirs))
    if my_digest != other_digest:
        raise Refused(
            f"model '{name}': versions {ours} and {theirs} were measured on different test parts ({my_digest} and "
            f"{other_digest}); run the champion's recipe on the present data, or promote with --force"
        )
    if list(mine.index) != list(other.index):
        raise Refused(f"model '{name}': versions {ours} and {theirs} were measured on different users")
    for frame, version in ((mine, ours), (other, theirs)):
        if metric not in frame:
            known = [column for column in frame.columns if column not in _FACTS]
            raise Refused(f"metric '{metric}' was not measured for version {version}; {nearest(metric, known)}")
    interval = paired_interval(mine[metric].to_numpy(), other[metric].to_numpy())
    return Verdict(metric, interval, len(mine), my_digest)


def _measured(store: Store, name: str, version: int) -> tuple[pandas.DataFrame, str]:
    """What a version's run keeps: values by user, in the order of their ids, and the digest of the test part."""
    import pandas

    with store.explained(), TemporaryDirectory() as scratch:
        run_id = store.client.get_model_version(name, str(version)).run_id
        there = {found.path for found in store.client.list_artifacts(run_id, "evaluation")} if run_id else set()
        for file in ("evaluation/per_user.parquet", "evaluation/metrics.json"):
            if file not in there:
                raise Refused(f"model '{name}': the run of version {version} keeps no {file}; run its pipeline again")
        table, metrics = (
            Path(store.client.download_artifacts(run_id, f"evaluation/{file}", scratch))
            for file in ("per_user.parquet", "metrics.json")
        )
        facts: Mapping[str, Any] = json.loads(metrics.read_text("utf-8"))
        frame = pandas.read_parquet(table).set_index("user_id").sort_index()
    if "test_digest" not in facts:
        raise Refused(
            f"model '{name}': version {version} does not say on which test part it was measured; run its pipeline again"
        )
    return frame, str(facts["test_digest"])
