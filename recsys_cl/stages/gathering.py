"""From artifacts to evidence: whatever is at hand is gathered, and what is not is left for the page to say."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_cl.core.files import digest_file
from recsys_cl.core.version import VERSION
from recsys_cl.evaluation.choosing import larger_is_better
from recsys_cl.stages.report_rows import read_trial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recsys_cl.reporting.evidence import Comparison, Evidence, Trial

SHOWN = 10
"""Users whose lists are shown."""
MAPPED = 2
"""Recipes whose items are drawn: the best on validation."""
COUNTED = ("users", "held_out", "cold_users", "cold_items", "outside_candidates")
"""What is taken of the counts of an evaluation; the last is there where not all items were ranked."""
RANKS = 120
"""Points of the popularity curve, at most."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the parts of a report lie. All beyond the evaluations may be missing."""

    evaluations: Mapping[str, Path]
    models: Mapping[str, Path]
    files: Mapping[str, Path] = field(default_factory=dict)  # of train, valid, vocabulary, data_report, audit, protocols


def gather(
    sources: Sources,
    title: str,
    metric: str,
    metrics: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
    commands: Sequence[str] = (),
    searched: Mapping[str, int] | None = None,
) -> Evidence:
    """Everything that the page says.

    Args:
        sources: what to read.
        title: of the page, such as the pipeline's name.
        metric: what recipes are compared by.
        metrics: which to show, in this order; empty: all.
        facts: more provenance.
        commands: what makes the report again.
        searched: trials of the search that found an experiment's settings; none are known of one that is not there.

    Raises:
        Refused: the evaluations do not stand on the same data, or lack a metric.
    """
    from recsys_cl.reporting.evidence import Evidence

    files = sources.files
    popularity = _popularity(files)
    trials = [
        replace(read_trial(name, sources.models.get(name), folder, metrics, popularity), searched=(searched or {}).get(name))
        for name, folder in sources.evaluations.items()
    ]
    measured = _json(next(iter(sources.evaluations.values())) / "metrics.json")
    comparison, openings = compared(trials, sources.evaluations, metric)
    examples, maps = _looks(sources, trials, metric, popularity, measured.get("categories", {}))
    ranks = {} if popularity is None else {"popularity": _ranks(popularity)}
    return Evidence(
        pipeline=title,
        metric=metric,
        trials=trials,
        comparison=comparison,
        counts={**{key: measured.get(key) for key in COUNTED}, "openings": openings},
        data={**_found(files, "data_report"), **ranks} if "data_report" in files else {},
        examples=examples,
        maps=maps,
        audit=_found(files, "audit") or None,
        protocols=_found(files, "protocols") or None,
        facts={**(facts or {}), **_digests(files, measured), **_versions()},
        commands=commands,
        conventions={str(name): str(text) for name, text in measured.get("conventions", {}).items()},
        larger_is_better={name: larger_is_better(name) for trial in trials for name in trial.test},
    )


def compared(trials: Sequence[Trial], folders: Mapping[str, Path], metric: str) -> tuple[Comparison, int | None]:
    """Every recipe against the best baseline, and how often the test part was opened.

    The headline is about whom validation prefers of what is no baseline: whether an idea is worth its price. A registered
    model is another question, and there a baseline that learns may win; the page says so where the two differ.
    """
    from recsys_cl.core.chance import generator
    from recsys_cl.reporting.evidence import Comparison, Difference
    from recsys_cl.stages.comparison import baselines_of, compare_evaluations

    families = {trial.name: trial.family for trial in trials}
    judged = families.keys() - set(baselines_of(families))
    valid = {trial.name: trial.valid[metric] for trial in trials if trial.name in judged and metric in trial.valid}
    chosen = max(valid, key=lambda name: valid[name], default=None)
    found = compare_evaluations(folders, families, metric, generator(0, "report", "comparison"), chosen=chosen)
    shown = {name for trial in trials for name in trial.test}
    differences = [
        Difference(
            recipe=row["recipe"],
            metric=row["metric"],
            mean=row["difference"],
            low=row["interval"][0],
            high=row["interval"][1],
            relative=row["relative"],
            p=row["adjusted_p"],
            effect=row["effect_size"],
            reliable=row["reliable"],
            mark=row["mark"],
        )
        for row in found["rows"]
        if row["difference"] is not None and row["metric"] in shown
    ]
    comparison = Comparison(found["headline"], found["best_baseline"], found["baselines"], found["users"], differences)
    return comparison, found["test_openings"]


def _looks(
    sources: Sources,
    trials: Sequence[Trial],
    metric: str,
    popularity: NDArray[np.int64] | None,
    categories: Mapping[str, str],
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Examples and maps: what needs to know the items by name. ``categories``: their ``column`` and ``separator``."""
    if popularity is None or "vocabulary" not in sources.files:
        return (), ()
    from recsys_cl.ingest.dataset import first_categories, load_items
    from recsys_cl.stages.examples import examples, texts_of
    from recsys_cl.stages.item_map import item_maps

    items = load_items(sources.files["vocabulary"])
    texts = texts_of(items)
    column, separator = categories.get("column", "category"), categories.get("separator", "")
    kinds = first_categories(items, column, separator).fillna("").to_list() if column in items else [""] * len(items)
    best = sorted([t for t in trials if t.learnt], key=lambda t: -t.valid.get(metric, 0.0))[:MAPPED]
    maps = [one for t in best for one in item_maps(t.name, sources.evaluations[t.name], kinds, texts, popularity)]
    return examples(sources.files, sources.evaluations, texts, SHOWN), maps


def _popularity(files: Mapping[str, Path]) -> NDArray[np.int64] | None:
    """Training interactions of each item, [I]."""
    if "train" not in files or "vocabulary" not in files:
        return None
    import numpy as np
    import pyarrow.parquet as pq

    from recsys_cl.ingest.dataset import load_shape

    found = pq.read_table(files["train"], columns=["item"])["item"].to_numpy()
    return np.bincount(found, minlength=load_shape(files["vocabulary"]).items)


def _ranks(popularity: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(rank, interactions) at ranks that are even on a logarithmic axis."""
    import numpy as np

    counts = np.sort(popularity)[::-1]
    ranks = np.unique(np.geomspace(1, len(counts), RANKS).astype(np.int64))
    return [(int(rank), int(counts[rank - 1])) for rank in ranks]


def _digests(files: Mapping[str, Path], measured: Mapping[str, Any]) -> dict[str, str]:
    found = {part: digest_file(files[part]) for part in ("train", "valid") if part in files}
    found |= {"test": str(measured["test_digest"])} if "test_digest" in measured else {}
    return {f"{part} (sha256)": digest for part, digest in found.items()}


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("torch", "numpy", "pyarrow", "mlflow")
    return {"recsys_cl": VERSION, "python": platform.python_version(), **{name: version(name) for name in names}}


def _found(files: Mapping[str, Path], name: str) -> dict[str, Any]:
    return _json(files[name]) if name in files else {}


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value
