"""One parent run for each state of a pipeline, its trainings as children: whoever looks at the store sees them together."""

from __future__ import annotations

from collections.abc import Mapping

from recsys_cl.core.files import digest_json
from recsys_cl.tracking.evaluated import PARENT
from recsys_cl.tracking.experiment import Experiment

DATA, CODE, SEED = "recsys_cl.data", "recsys_cl.version", "recsys_cl.seed"
"""Tags of parent and children: SHA-256 of what was trained on, version of the package, seed of the pipeline."""


def adopt(experiment: Experiment, name: str, children: Mapping[str, str], tags: Mapping[str, str]) -> str:
    """Put finished runs under one parent, and ``tags`` on all of them; the parent's id.

    The same trainings have the same parent; one that two states of a pipeline share belongs to the newer.

    Args:
        experiment: where the runs are.
        name: of the parent.
        children: run ids by the fingerprints of their trainings.
        tags: of parent and children.
    """
    fingerprint = digest_json(["parent", *sorted(children)])
    parent = experiment.ensure(fingerprint, name, lambda _: None, tags).run_id
    with experiment.store.explained():
        for run_id in (parent, *children.values()):
            mine = tags if run_id == parent else {**tags, PARENT: parent}
            for key, value in mine.items():
                experiment.store.client.set_tag(run_id, key, value)
    return parent
