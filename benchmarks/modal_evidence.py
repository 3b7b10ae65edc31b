"""What content is worth: each modality left out, content missing for more and more items, and what agrees with what.

``python -m benchmarks.modal_evidence PIPELINE EXPERIMENT`` reads what ``recsys-cl run PIPELINE`` left and writes
``benchmarks/results/modal_PIPELINE_EXPERIMENT.json``. Recall@20 is that of the validation part, which also chose the epochs:
the test part is opened by ``evaluate`` alone. Leaving a modality out is training without it; missing content is content that
the trained model does not get to see, of items drawn by a seed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.measure import keep
from recsys_cl.config import Pipeline, Recipe, load_pipeline
from recsys_cl.core.values import ItemFeatures
from recsys_cl.evaluation.judge import Judge
from recsys_cl.evaluation.settings import build_metrics
from recsys_cl.ingest.dataset import load_features, load_interactions, load_shape
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.fitting import Fitting
from recsys_cl.structures.modal import Modal

MISSING = (0.0, 0.25, 0.5, 0.75, 1.0)
CPU = torch.device("cpu")


class Silent:
    """A tracker that tells nobody."""

    def note(self, values: Mapping[str, str]) -> None:
        """Nothing."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Nothing."""


class Evidence:
    """One recipe on one prepared data set.

    Args:
        pipeline: whose settings hold.
        recipe: what is trained.
        prepared: folder with ``train``, ``valid`` and ``vocabulary``.
    """

    def __init__(self, pipeline: Pipeline, recipe: Recipe, prepared: Path) -> None:
        plan = recipe.training.model_copy(update={"refit": False})  # what is asked about valid must not have seen it
        self.pipeline, self.recipe = pipeline, recipe.model_copy(update={"training": plan})
        shape = load_shape(prepared / "vocabulary")
        self.train, self.valid = (load_interactions(prepared / part, shape) for part in ("train", "valid"))
        features = load_features(prepared / "vocabulary", shape)
        assert features is not None, "the pipeline declares content"
        self.features = features

    def fitted(self, features: ItemFeatures) -> tuple[Any, dict[str, float]]:
        """The trained method and its validation scores."""
        with TemporaryDirectory() as folder:
            fitting = Fitting(
                "evidence",
                self.recipe,
                self.pipeline.evaluation,
                self.pipeline.runtime,
                self.pipeline.seed,
                Path(folder),
                None,
                features,
            )
            found = fitting.run(self.train, self.valid, Silent())
        return found.method, dict(found.best.scores)

    def scores(self, method: Any, features: ItemFeatures) -> dict[str, float]:
        """Validation scores of a trained method that is shown ``features``."""
        judge = Judge(self.valid, self.train, build_metrics(self.pipeline.evaluation))
        feed = assemble(self.recipe, self.train, self.pipeline.seed, CPU, features).feed
        return {name: float(values.mean()) for name, values in judge(method, feed).items()}

    def source(self, features: ItemFeatures) -> Modal:
        """What the encoder reads."""
        feed = assemble(self.recipe, self.train, self.pipeline.seed, CPU, features).feed
        [(source, _)] = feed.inference(torch.zeros(0, dtype=torch.int64))
        found: Modal = source
        return found


def missing(features: ItemFeatures, share: float) -> ItemFeatures:
    """``features`` of which each is absent for a ``share`` of the items that have it."""
    rng = torch.Generator().manual_seed(1)
    kept = {name: torch.rand(len(each.present), generator=rng) >= share for name, each in features}
    return ItemFeatures({name: replace(each, present=each.present & kept[name]) for name, each in features})


def agreement(method: Any, source: Modal) -> dict[str, Any]:
    """Mean cosine of each pair of parts of an item, and how often one finds the other among all items (recall@1, @10)."""
    with torch.no_grad():
        (encoding,) = method.module.encoder([source], torch.zeros(1, dtype=torch.int64))
    content = encoding.parts["content"]
    parts = {**{name: part for name, part in encoding.parts.items() if name != "content"}, **content.parts}
    found = {}
    for one, other in combinations(sorted(parts), 2):
        both = parts[one].present & parts[other].present
        asks, answers = (normalize(parts[name].items[both], dim=-1) for name in (one, other))
        found[f"{one} and {other}"] = {
            "items": int(both.sum()),
            "cosine": round(float((asks * answers).sum(-1).mean()), 4),
            f"{other} from {one}": _found(asks, answers),
            f"{one} from {other}": _found(answers, asks),
        }
    return found


def _found(asks: Tensor, answers: Tensor) -> dict[str, float]:
    similar = asks @ answers.T
    rank = (similar > similar.diagonal()[:, None]).sum(1)
    return {f"recall@{k}": round(float((rank < k).float().mean()), 4) for k in (1, 10)}


def main() -> None:
    """Everything for one experiment of one pipeline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("experiment")
    parser.add_argument("--data", type=Path, default=Path("data"))
    asked = parser.parse_args()
    pipeline = load_pipeline(asked.pipeline)
    prepared = _newest(asked.data / pipeline.name / "prepare")
    evidence = Evidence(pipeline, pipeline.recipes()[asked.experiment], prepared)
    shown = [pipeline.registry.metric, "recall@20"]
    method, best = evidence.fitted(evidence.features)
    names = [name for name, _ in evidence.features]
    without: dict[str, Any] = {"none": _some(best, shown)}
    for name in names if len(names) > 1 else []:
        fewer = ItemFeatures({other: each for other, each in evidence.features if other != name})
        without[name] = _some(evidence.fitted(fewer)[1], shown)
    absent = {str(share): _some(evidence.scores(method, missing(evidence.features, share)), shown) for share in MISSING}
    agrees = agreement(method, evidence.source(evidence.features))
    facts = {"experiment": asked.experiment, "trained_without": without, "missing_at_inference": absent, "agreement": agrees}
    keep(f"modal_{pipeline.name}_{asked.experiment}", json.loads(json.dumps(facts)))


def _newest(folder: Path) -> Path:
    """The latest result of the stage."""
    return max((each for each in folder.iterdir() if (each / "vocabulary").is_dir()), key=lambda each: each.stat().st_mtime)


def _some(scores: Mapping[str, float], names: list[str]) -> dict[str, float]:
    return {name: round(scores[name], 4) for name in dict.fromkeys(names)}


if __name__ == "__main__":
    main()
