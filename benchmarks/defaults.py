"""The two defaults, for histories and for graphs: what each is made of, and what is changed to see what its parts are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT


@dataclass(frozen=True, slots=True)
class Default:
    """A recommended recipe and how it is looked at.

    Args:
        recipe: its name.
        family: what it reads, in a word.
        data: where it is measured; a pipeline of that name says how it is read and split.
        metrics: what is shown; the last one orders the changes.
        page: where that is written.
        changes: what is laid over the recipe, by name.
        there: what validation prefers on one of the data sets, laid over the recipe before a change.
        split: what is changed in the data sets' pipelines, if their own validation part is not what settings are chosen by.
    """

    recipe: str
    family: str
    data: tuple[str, ...]
    metrics: tuple[str, str]
    page: Path
    changes: Mapping[str, dict[str, Any]]
    there: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    split: tuple[str, ...] = ()


_USERS = {"use": "info_nce", "weight": 0.1, "between": "views", "sides": "users", "temperature": 0.2}
_BOTH = {"use": "info_nce", "weight": 0.1, "between": "views", "temperature": 0.2}
_THREE = [{"use": "crop", "ratio": 0.6}, {"use": "mask", "ratio": 0.3}, {"use": "reorder", "ratio": 0.6}]
_DOT = {"similarity": "dot", "temperature": 1.0}

HISTORIES = Default(
    recipe="average-softmax",
    family="histories",
    data=("beauty", "toys"),
    metrics=("hit_rate@10", "ndcg@10"),
    page=ROOT / "docs" / "sequence-default.md",
    changes={
        "one-decay-0.7": {"encoder": {"decay": 0.7}},
        "no-decay": {"encoder": {"decay": 1.0}},
        "dim-64": {"encoder": {"dim": 64}},
        "no-dropout": {"encoder": {"dropout": 0.0}},
        "dot-product": {"objectives": {"softmax": _DOT}, "method": {"similarity": "dot"}},
        "no-log-q": {"objectives": {"softmax": {"log_q": False}}},
        "constant-rate": {"training": {"schedule": "constant", "warmup": 0}},
        "in-batch-too": {"objectives": {"softmax": {"in_batch": True}}},
        "decays-0.5-0.9": {"encoder": {"decay": [0.5, 0.9]}},
        "with-same-target": {"views": [{"use": "identity"}, {"use": "same_target"}], "objectives": {"contrast": _USERS}},
        "with-crop-mask-reorder": {"views": [{"use": "one_of", "of": _THREE}] * 2, "objectives": {"contrast": _USERS}},
    },
)

_UNPOPULAR = {"popularity": 0.0, "recency": 0.0}

GRAPHS = Default(
    recipe="spectral-softmax",
    family="graphs",
    data=("gowalla", "yelp2018"),
    metrics=("recall@20", "ndcg@20"),
    page=ROOT / "docs" / "graph-default.md",
    changes={
        "order-ignored": {"source": {"recency": 0.0}, "method": {"recency": 0.0}},
        "edges-alike": {"source": {"recency": 0.0}},
        "edges-fade-faster": {"source": {"recency": 1.5}},
        "popularity-of-all-times": {"method": {"recency": 0.0}},
        "no-popularity": {"method": _UNPOPULAR},
        "dot-product": {"method": {"similarity": "dot", **_UNPOPULAR}},  # ranked by it; trained by cosine, as before
        "no-spectral-start": {"encoder": {"init": "xavier"}},
        "layers-alike": {"encoder": {"layer_weights": [1, 1, 1]}},
        "one-layer": {"encoder": {"layers": 1, "layer_weights": [1, 6]}},
        "no-graph": {"encoder": {"layers": 0, "layer_weights": [1]}},  # begins from the spectral embedding all the same
        "temperature-0.2": {"objectives": {"softmax": {"temperature": 0.2}}},
        "log-q": {"objectives": {"softmax": {"log_q": True}}, "method": _UNPOPULAR},  # either gives popularity back
        "dim-128": {"encoder": {"dim": 128}},
        "dim-32": {"encoder": {"dim": 32}},
        "users-alike": {"source": {"draw": "users"}},
        "with-noise-contrast": {"views": [{"use": "layer_noise", "eps": 0.1}] * 2, "objectives": {"contrast": _BOTH}},
        "with-edge-drop-contrast": {"views": [{"use": "edge_drop", "rate": 0.1}] * 2, "objectives": {"contrast": _BOTH}},
    },
    there={"yelp2018": {"objectives": {"softmax": {"temperature": 0.15}}, "method": {"popularity": 0.1}}},
    split=('ingest.source.valid=""', 'prepare.split={use = "published", newest = true}'),
)

DEFAULTS = (HISTORIES, GRAPHS)


def default_of(data: str) -> Default:
    """The default that is measured on ``data``: each data set belongs to one."""
    return next(default for default in DEFAULTS if data in default.data)
