"""What the vectors are like, whatever the metrics say."""

from __future__ import annotations

from collections.abc import Mapping

from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.table import simple

MEANS = {
    "dimension": "numbers in a vector",
    "alignment": "mean squared distance of a user and an item they met, on the sphere; smaller is closer",
    "uniformity_users": "how evenly users lie on the sphere; smaller is more even",
    "uniformity_items": "how evenly items lie on the sphere; smaller is more even",
    "effective_rank_users": "dimensions that users really use",
    "effective_rank_items": "dimensions that items really use; far below the dimension, the vectors have collapsed",
    "anisotropy_head": "mean cosine of two popular items; 0: all directions alike, 1: one direction",
    "anisotropy_mid": "the same of items of middling popularity",
    "anisotropy_tail": "the same of rarely met items",
    "probe_accuracy": "a linear classifier of item categories, cross-validated; to be read beside the majority rate",
    "majority_rate": "what always naming the most frequent category would reach",
    "neighbour_agreement": "how often the ten nearest items share the category; to be read beside chance",
    "chance_agreement": "how often any two items do",
}


def representation(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:  # noqa: ARG001 - one signature for all sections
    """One row a recipe, one column a measure."""
    measured = [t for t in evidence.trials if t.representation]
    names = list(dict.fromkeys(name for t in measured for name in t.representation))
    rows = [[t.name, *(t.representation.get(name) for name in names)] for t in measured]
    heads = ["recipe", *(name.replace("_", " ") for name in names)]
    return Section(
        "representation",
        "Representation",
        "What the vectors are like, whatever they score.",
        tables=[simple(heads, rows, sortable=True)] if measured else [],
        notes=[(name.replace("_", " "), MEANS[name]) for name in names if name in MEANS],
        missing="The representation was not measured.",
    )
