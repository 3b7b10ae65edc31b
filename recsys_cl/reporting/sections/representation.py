"""What the vectors are like, whatever the metrics say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence, Trial
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.table import simple
from recsys_cl.reporting.text import finite, percent

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
    "neighbour_agreement": "how often the ten nearest items share the category; to be read beside chance",
    "majority_rate": "what always naming the most frequent category would reach",
    "chance_agreement": "how often any two items do",
}
YARDSTICKS = ("majority_rate", "chance_agreement")
"""They follow from the categories alone, whatever the vectors."""


def representation(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:  # noqa: ARG001 - one signature for all sections
    """One row a recipe, one column a measure."""
    measured = [t for t in evidence.trials if t.representation]
    known = dict.fromkeys(name for t in measured for name in t.representation)
    known = dict.fromkeys(name for name in known if name not in YARDSTICKS)
    names = [*(name for name in MEANS if name in known), *(name for name in known if name not in MEANS)]
    rows = [[t.name, *(_value(t, name) for name in names)] for t in measured]
    others = ", ".join(t.name for t in evidence.trials if not t.representation)
    heads = ["recipe", *(name.replace("_", " ") for name in names)]
    return Section(
        "representation",
        "Representation",
        f"What the vectors are like, whatever they score.{_yardsticks(measured)}",
        tables=[simple(heads, rows, sortable=True)] if measured else [],
        notes=[(name.replace("_", " "), MEANS[name]) for name in names if name in MEANS],
        gaps=[f"Of {others} no vectors were kept: those as long as a large catalogue are not."] if others else (),
        missing="The representation was not measured.",
    )


def _yardsticks(measured: Sequence[Trial]) -> str:
    """What the categories alone would give, in words."""
    for trial in measured:
        majority, chance = (trial.representation.get(name) for name in YARDSTICKS)
        if finite(majority) and finite(chance):
            return (
                f" {percent(majority)} are of the most frequent category, which is what a probe without knowledge reaches; "
                f"any two items share theirs in {percent(chance)} of cases, which is how often neighbours would by chance."
            )
    return ""


def _value(trial: Trial, name: str) -> float | None:
    value = trial.representation.get(name)
    return int(value) if name == "dimension" and value is not None and finite(value) else value
