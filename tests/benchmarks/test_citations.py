"""An article is told by the words of those it is linked with, in both directions, and by their names."""

from __future__ import annotations

import pandas as pd

from benchmarks.citations import with_citations


def test_links_hold_in_both_directions_once_and_lead_to_known_articles_alone() -> None:
    items = pd.DataFrame({"item": [0, 1, 2], "bow": ["kiosk:2", "kiosk:1 museum:3", None]})
    citations = pd.DataFrame({"item": [0, 1, 1, 0], "cites": [0, 0, 0, 9]})
    made = with_citations(items, citations)
    assert made["cites"].tolist() == ["a0:1 a1:1", "a0:1 a1:1", "a2:1"]
    assert made["around"].tolist() == ["kiosk:3 museum:3", "kiosk:3 museum:3", ""]
    assert made["bow"].equals(items["bow"]), "an article without words stays without"
