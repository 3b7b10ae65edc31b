"""What strangers get by how many items they are known: n-shot curves, adaptation steps against quality, cost of a user.

``python -m benchmarks.few_shot shop ml-100k beauty --data-dir data/few-shot`` runs ``pipelines/few-shot-shop.toml`` (built-in
logs), ``pipelines/few-shot.toml`` and ``pipelines/few-shot-beauty.toml`` (real data, found through RECSYS_CL_REAL_DATA) up to
their evaluations and writes ``benchmarks/results/few-shot-NAME.json``. ``items`` and ``directors`` do the same for new films
and new directors, of whom 0 to 20 users are known, every user being ranked (``pipelines/few-shot-items.toml``). What was
trained before is not trained again. Every list is the full catalogue, ranked; intervals are 95 %, by the bootstrap over
strangers; differences are paired, stranger by stranger.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.measure import keep
from benchmarks.transfer import REAL_DATA, run
from recsys_cl.config import Pipeline, alter, load_pipeline
from recsys_cl.core.chance import generator
from recsys_cl.core.values import Encoding, Ragged
from recsys_cl.evaluation.measure import measure
from recsys_cl.evaluation.resample import bootstrap_means
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ingest.strangers import load_strangers
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.reader import ByEncoder
from recsys_cl.stages.bundle import known_before_test, make_bundle
from recsys_cl.stages.strangers import VALUES, ask, asked_of

ROOT = Path(__file__).parent.parent
WORLDS = {
    "shop": "few-shot-shop",
    "ml-100k": "few-shot",
    "beauty": "few-shot-beauty",
    "items": "few-shot-items",
    "directors": "few-shot-directors",
}
BASE, METRIC, RESAMPLES = "sasrec-softmax", "ndcg@20", 2000
STEPS = (0, 1, 2, 3, 5, 10, 20)
Floats = NDArray[np.float64]


def interval(values: Floats) -> list[float]:
    """Mean of ``values`` [G] and its interval."""
    means = bootstrap_means(values[:, None], RESAMPLES, generator(1, "bootstrap"))[:, 0]
    low, high = np.quantile(means, (0.025, 0.975))
    return [round(float(each), 4) for each in (values.mean(), low, high)]


def curves(folders: dict[str, Path]) -> dict[str, Any]:
    """Of every recipe, by shots: the metric with its interval, and the difference to SASRec with its own."""
    frames = {name: pd.read_parquet(folder / VALUES) for name, folder in folders.items()}
    values = {name: frame.pivot_table(METRIC, "user_id", "shots").sort_index() for name, frame in frames.items()}
    base = values[BASE]
    return {
        name: {
            str(shots): {
                METRIC: interval(each[shots].to_numpy()),
                f"to {BASE}": interval((each[shots] - base[shots]).to_numpy()),
            }
            for shots in each.columns
        }
        for name, each in values.items()
    }


class World:
    """The strangers of one data set, and what is asked about them."""

    def __init__(self, pipeline: Pipeline, artifacts: dict[str, Path]) -> None:
        self.artifacts, known = artifacts, known_before_test(artifacts)
        strangers = load_strangers(artifacts["test"], known.shape)
        assert strangers is not None, "the split holds users out"
        self.most = max(pipeline.evaluation.shots)
        rows, self.held_out = asked_of(strangers, self.most, known, exclude_seen=True)
        self.ids = [strangers.ids[user] for user in rows.tolist()]
        self.about = None if strangers.about is None else strangers.about.take(rows)
        self.metrics = build_metrics(Evaluation(metrics=("ndcg",), ks=(20,)))

    def bundle(self, name: str) -> Bundle:
        """What would be registered."""
        return make_bundle(name, self.artifacts)

    def quality(self, bundle: Bundle, shots: int) -> list[float]:
        """The metric and its interval."""
        return interval(
            ask(bundle, self.ids, self.held_out, shots, self.metrics, 2**30, "few-shot", self.about)[METRIC].numpy()
        )

    def newest(self, shots: int) -> Ragged:
        """What each stranger is known by."""
        rows = [self.held_out.history.row(row)[-shots:] for row in range(len(self.ids))]
        lengths = torch.tensor([0, *(len(row) for row in rows)])
        return Ragged(torch.cat(rows), lengths.cumsum(0))


def with_steps(bundle: Bundle, steps: int) -> Bundle:
    """The same weights with another budget; of 0 nobody takes any."""
    assert isinstance(bundle.reader, ByEncoder)
    change = {"steps": steps} if steps else {"tolerance": 1e30}
    recipe = alter(bundle.reader.recipe, {"method": change}, "benchmark")
    return replace(bundle, reader=ByEncoder(recipe, bundle.reader.shape, bundle.reader.weights))


def unadapted(world: World, bundle: Bundle) -> list[float]:
    """Somebody without a history as the model itself sees them, where a service would give what is popular."""
    assert bundle.reader is not None
    nobody = Ragged(torch.zeros(0, dtype=torch.int64), torch.zeros(len(world.ids) + 1, dtype=torch.int64))
    encoding = Encoding(bundle.reader.vectors(nobody, world.about), bundle.items)
    return interval(measure(encoding, world.held_out, world.metrics, 2**30, "nobody").values[METRIC].numpy())


def cost(bundle: Bundle, histories: Ragged) -> dict[str, float]:
    """Milliseconds to make a stranger's vector, many at once and one alone."""
    assert bundle.reader is not None
    one = histories.part(slice(0, 1))
    found = {}
    for what, some, rounds in (("at once", histories, 3), ("alone", one, 20)):
        bundle.reader.vectors(some)
        began = time.perf_counter()
        for _ in range(rounds):
            bundle.reader.vectors(some)
        found[what] = round(1e3 * (time.perf_counter() - began) / rounds / len(some), 3)
    return found


def by_director(folder: Path) -> Path:
    """MovieLens 100K as a log of directors, ``directors.parquet`` in ``folder``: a row for each of a film's."""
    films = pd.read_parquet(REAL_DATA / "ml-100k" / "items.parquet")
    of = films.assign(director=films["director"].str.split(", ")).explode("director").query("director != ''")
    met = pd.read_parquet(REAL_DATA / "ml-100k" / "interactions.parquet").merge(of[["item", "director"]].dropna(), on="item")
    folder.mkdir(parents=True, exist_ok=True)
    met.sort_values("timestamp", kind="stable").to_parquet(folder / "directors.parquet", index=False)
    return folder / "directors.parquet"


def measured(name: str, folder: Path) -> dict[str, Any]:
    """All that is told of one world."""
    if name == "directors":
        os.environ["RECSYS_CL_DIRECTORS"] = str(by_director(folder))
    pipeline = load_pipeline(ROOT / "pipelines" / f"{WORLDS[name]}.toml")
    recipes = pipeline.recipes()
    artifacts = run(pipeline, recipes, folder / name)
    told = curves({label: artifacts[f"evaluation/{label}"] for label in recipes})
    world, adapted = World(pipeline, artifacts), {}
    shots = min(5, world.most)
    for label, recipe in recipes.items():
        bundle = world.bundle(label)
        if bundle.reader is None:
            continue
        told[label]["cost_ms"] = cost(bundle, world.newest(shots))
        if isinstance(bundle.reader, ByEncoder):
            told[label]["nobody"] = unadapted(world, bundle)
        if recipe.method.use == "meta" and recipe.method.arguments["algorithm"] != "prototype":
            adapted[label] = {str(steps): world.quality(with_steps(bundle, steps), shots) for steps in STEPS}
        print(f"  {label}: {told[label][str(shots)]}", flush=True)
    facts = {"strangers": len(world.ids), "support": world.most, "metric": METRIC, "base": BASE}
    return {"command": f"python -m benchmarks.few_shot {name}", **facts, "recipes": told, f"steps at {shots} shots": adapted}


def main() -> None:
    """Measure the worlds that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", nargs="+", choices=WORLDS)
    parser.add_argument("--data-dir", type=Path, help="where what was made is kept; by default nowhere")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name in asked.worlds:
            keep(f"few-shot-{name}", measured(name, asked.data_dir or Path(scratch)))


if __name__ == "__main__":
    main()
