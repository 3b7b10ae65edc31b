"""What accuracy is bought with: how much of the catalogue is shown, and how popular it is."""

from __future__ import annotations

from collections.abc import Mapping

from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.charts.points import points
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.section import Section


def beyond(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:
    """Accuracy against coverage and against popularity; up and to the right is better on the left, up and left on the right."""
    metric, cover = evidence.metric, evidence.at("coverage")
    covered = {t.name: (t.test[cover], t.test[metric]) for t in evidence.trials if cover in t.test and metric in t.test}
    popular = {t.name: (t.popularity, t.test[metric]) for t in evidence.trials if t.popularity is not None and metric in t.test}
    return Section(
        "beyond",
        "Beyond accuracy",
        "Coverage is the share of the catalogue that anybody is shown. Popularity is how often a recommended item was met in "
        "training, on average: a recipe far to the right repeats what everybody knows.",
        [
            points("Accuracy against coverage", covered, looks, cover, metric),
            points("Accuracy against popularity", popular, looks, "interactions per recommended item", metric),
        ],
        missing="Neither coverage nor the popularity of recommended items was measured.",
    )
