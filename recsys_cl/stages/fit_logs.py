"""Logs to a model that knows all of them, without a pipeline file: what stands behind ``Recommender.fit``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_cl.config import Experiment, Pipeline
from recsys_cl.core.protocols import Stage
from recsys_cl.core.settings import Component
from recsys_cl.ingest.prepare import Prepare
from recsys_cl.ingest.settings import Ingest
from recsys_cl.stages.ingest import IngestStage
from recsys_cl.stages.prepare import PrepareStage
from recsys_cl.stages.runner import run_stages
from recsys_cl.stages.store import Store
from recsys_cl.stages.train import TrainStage

if TYPE_CHECKING:
    from recsys_cl.serving.bundle import Bundle

NAME = "model"


def fit_logs(source: Mapping[str, Any], recipe: str, changes: Mapping[str, Any], seed: int, scratch: Path) -> Bundle:
    """Ingest, choose the epoch on each user's last interaction, train afresh on everything, encode.

    Args:
        source: the settings of a source of logs, as under ``[ingest.source]``.
        recipe: name or path.
        changes: laid over the recipe; ``training.refit`` is on unless they say otherwise.
        seed: of everything.
        scratch: a folder for artifacts, needed no longer afterwards.
    """
    from recsys_cl.evaluation.encode import encode_all, fold_in
    from recsys_cl.stages.assemble import assemble, device_of
    from recsys_cl.stages.bundle import bundle_of, known_before_test
    from recsys_cl.stages.verdict import load_weights, vectors_of

    split = Component(use="leave_last_out", **{"test": False})
    pipeline = Pipeline(
        name=NAME,
        seed=seed,
        ingest=Ingest(source=Component(**source)),
        prepare=Prepare(split=split),
        experiments=(Experiment(recipe=recipe, name=NAME, set=dict(changes)),),
        override={"training": {"refit": True}},
    )
    made = pipeline.recipes()[NAME]
    stages: list[Stage] = [
        IngestStage(pipeline.ingest, seed),
        PrepareStage(pipeline.prepare),
        TrainStage(NAME, made, pipeline.evaluation, pipeline.runtime, seed),
    ]
    artifacts = run_stages(stages, Store(scratch / "data"), lambda *_: None).artifacts
    reads = {name: artifact.path for name, artifact in artifacts.items()}
    known = known_before_test(reads)
    assembly = assemble(made, known, seed, device_of(pipeline.runtime))
    load_weights(assembly.method, reads[f"model/{NAME}"] / "weights.safetensors")
    import torch

    encoding = encode_all(assembly.method, assembly.feed, torch.arange(known.shape.users))
    vectors = vectors_of(encoding, fold_in(assembly.method, assembly.feed))
    return bundle_of(NAME, reads, vectors, known, {})
