"""What content costs: a training step beside the same graph without it, the graph of like items, and encoding new items.

``python -m benchmarks.modal`` reads ``tiktok_mm`` under RECSYS_CL_REAL_DATA for the steps; all else is drawn. Each part runs
in a process of its own, so that its peak memory is its own. Writes ``benchmarks/results/modal.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.graph_step import ours
from benchmarks.measure import keep, peak_mib
from recsys_cl.config import Recipe, load_recipe
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape
from recsys_cl.ingest.features.vector import Vector
from recsys_cl.ops.item_graph import item_graph
from recsys_cl.serving.newcomers import Newcomers
from recsys_cl.stages.assemble import assemble

TARGETS = {"step_ratio": 1.8, "graph_seconds": 60, "graph_mib": 2048, "encode_seconds": 60}
STEPS = 15
"""Of a lap; the recipes take turns, three laps each, and the median counts."""


def steps() -> dict[str, Any]:
    """Milliseconds of processor time of a step without and with content, one thread.

    LightGCN, and the same with content in its graph; XSimGCL, and with it the two contrasts of content (``clip-align``).
    """
    torch.set_num_threads(1)
    data, features = tiktok()
    found: dict[str, Any] = {}
    for name, recipe in {"lightgcn": _plain(load_recipe("mmgcl")), "xsimgcl": load_recipe("clip-align")}.items():
        same = load_recipe(name, {"encoder": {"layers": 2}})
        sides = [ours(same, data), ours(recipe, data, features)]
        laps: list[list[float]] = [[], []]
        for lap in range(4):
            for side, running in enumerate(sides):
                spent = _spent(running)
                laps[side] += [spent] if lap else []  # the first lap warms caches
        plain, rich = (statistics.median(each) for each in laps)
        found[name] = {"ms": round(plain, 2), "with_content_ms": round(rich, 2), "ratio": round(rich / plain, 2)}
    return found


def graph() -> dict[str, Any]:
    """Seconds and memory of the graph of 100,000 items by 128-d vectors, 10 neighbours each."""
    vectors = torch.randn(100_000, 128, generator=torch.Generator().manual_seed(1))
    before, began = peak_mib(), time.perf_counter()
    rows = item_graph([Modality(vectors, torch.ones(len(vectors), dtype=torch.bool))], 10)
    seconds = time.perf_counter() - began
    return {
        "items": len(rows),
        "edges": len(rows.columns),
        "seconds": round(seconds, 1),
        "mib": round(peak_mib()),
        "before_mib": round(before),
    }


def encode() -> dict[str, Any]:
    """Seconds for the vectors of 1,000,000 new items from 128-d content, as serving reads it, statistics included."""
    count, width = 1_000_000, 128
    flat = np.random.default_rng(1).standard_normal((count, width), dtype=np.float32)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), width).cast(pa.list_(pa.float32()))
    items = pa.table({"item_id": pa.array(range(count)).cast(pa.string()), "image": lists})
    recipe = load_recipe("clcrec")
    features = ItemFeatures({"image": Modality(torch.zeros(1, width), torch.ones(1, dtype=torch.bool))})
    one = Interactions(Shape(1, 1), *(torch.zeros(1, dtype=torch.int64),) * 3)
    weights = assemble(recipe, one, 1, torch.device("cpu"), features).method.module.state_dict()
    said = json.dumps({"image": Component(use="vector").model_dump(mode="json")})
    learned = Vector("image").fit(items.slice(0, 10_000))
    table = pa.table({f"image/{name}": pa.array([values], pa.list_(values.type)) for name, values in learned.items()})
    newcomers = Newcomers(recipe, table.replace_schema_metadata({b"features": said}), weights)
    began = time.perf_counter()
    vectors, told = newcomers.vectors(items)
    seconds = time.perf_counter() - began
    assert bool(told.all())
    assert vectors.shape == (count, 64)
    return {"items": count, "seconds": round(seconds, 1), "mib": round(peak_mib())}


def tiktok() -> tuple[Interactions, ItemFeatures]:
    """The published train part, and both kinds of vectors, standardised."""
    folder = Path(os.environ.get("RECSYS_CL_REAL_DATA", "../shared/data")) / "tiktok_mm"
    pairs = pq.read_table(folder / "train.parquet")
    users, items = (torch.from_numpy(pairs[name].to_numpy().astype(np.int64)) for name in ("user", "item"))
    made = {}
    for name in ("image", "audio"):
        values = torch.from_numpy(np.load(folder / f"{name}_feat.npy")).float()
        values = values - values.mean(0)
        values = values / values.square().sum(1).mean().sqrt()
        made[name] = Modality(values, torch.ones(len(values), dtype=torch.bool))
    shape = Shape(int(users.max()) + 1, len(values))
    return Interactions(shape, users, items, torch.zeros_like(users)), ItemFeatures(made)


def _plain(recipe: Recipe) -> Recipe:
    """The recipe without its views and their contrast: LightGCN's training, with content in the graph."""
    kept = {name: part for name, part in recipe.objectives.items() if name != "contrast"}
    return recipe.model_copy(update={"views": (), "objectives": kept})


def _spent(running: Iterator[None]) -> float:
    began = time.process_time()
    for _ in range(STEPS):
        next(running)
    return (time.process_time() - began) * 1e3 / STEPS


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"steps": steps, "graph": graph, "encode": encode}


def main() -> None:
    """Run one part, or each in a process of its own, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=PARTS)
    part = parser.parse_args().part
    if part:
        print(json.dumps(PARTS[part]()))
        return
    figures = {}
    for name in PARTS:
        told = subprocess.run([sys.executable, "-m", "benchmarks.modal", name], check=True, stdout=subprocess.PIPE, text=True)
        figures[name] = json.loads(told.stdout.splitlines()[-1])
    keep("modal", {"targets": TARGETS, **figures})


if __name__ == "__main__":
    main()
