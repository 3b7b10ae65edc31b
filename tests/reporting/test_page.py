"""The report stands alone, says the honest sentence, and shows data as text whatever the data says."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from recsys_cl.reporting.evidence import Comparison, Evidence, Example, Trial
from recsys_cl.reporting.page import render
from recsys_cl.reporting.text import LONGEST, plain

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">{{ 7 * 7 }} =HYPERLINK("http://x") \u202egnp.exe'


def trial(name: str, ndcg: float, parameters: int = 10) -> Trial:
    history = [{"step": n, "loss/bpr": 1 / n, "valid/ndcg@20": ndcg - 0.1 / n} for n in range(1, 4)]
    test = {"recall@20": ndcg * 1.5, "ndcg@20": ndcg, "coverage@20": 0.4}
    return Trial(
        name,
        f"Title of {name}",
        "A paper",
        "graph",
        3,
        1.5,
        parameters,
        {"ndcg@20": ndcg},
        test,
        history,
        {"encoder": {"use": "mf"}},
    )


@pytest.fixture
def evidence() -> Evidence:
    data = {
        "users": 1200,
        "periods": [
            {"start": "2024-01-01T00:00:00+00:00", "train": 10, "valid": 0, "test": 0},
            {"start": "2024-01-08T00:00:00+00:00", "train": 20, "valid": 5, "test": 5},
        ],
        "popularity": [50, 20, 5, 1],
        "parts": {"train": {"rows": 1000}, "test": {"rows": 200}},
    }
    better = Comparison("ndcg@20", "xsimgcl", "popular", 0.05, 0.03, 0.07, 0.5, 900)
    example = Example("u1", ["a"], {"xsimgcl": [("b", True), ("c", False)]})
    trials = [trial("popular", 0.1, parameters=0), trial("xsimgcl", 0.15)]
    return Evidence("demo", "ndcg@20", trials, better, data, [example], {"seed": "1"}, {"ndcg@20": "by log2"})


class Nodes(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_text_stays_text_everywhere(evidence: Evidence) -> None:
    hostile_trial = replace(evidence.trials[1], name=HOSTILE, title=HOSTILE, paper=HOSTILE, settings={HOSTILE: HOSTILE})
    example = Example(HOSTILE, [HOSTILE], {HOSTILE: [(HOSTILE, True)]})
    page = Nodes(
        render(
            replace(
                evidence,
                pipeline=HOSTILE,
                trials=[evidence.trials[0], hostile_trial],
                examples=[example],
                facts={HOSTILE: HOSTILE},
            )
        )
    )
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not any(tag in {"img", "iframe", "object", "embed", "link", "a"} for tag, _ in page.tags)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in page.text


def test_nothing_leaves_the_page(evidence: Evidence) -> None:
    page = render(evidence)
    nodes = Nodes(page)
    policy = next(a["content"] for tag, a in nodes.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    links = [
        value
        for _, a in nodes.tags
        for key, value in a.items()
        if key in {"src", "href"} and value and not value.startswith("#")
    ]
    assert not [link for link in links if not link.startswith("#")]
    assert len(page.encode()) < 3 * 2**20


def test_the_policy_admits_exactly_the_script_on_the_page(evidence: Evidence) -> None:
    import base64
    import hashlib

    page = render(evidence)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script is not None
    assert f"sha256-{base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()}" in page


def test_charts_follow_the_page_and_speak(evidence: Evidence) -> None:
    nodes = Nodes(render(evidence))
    figures = [a for tag, a in nodes.tags if tag == "figure"]
    assert len(figures) == sum(tag == "svg" for tag, _ in nodes.tags) == 5
    assert all(a["aria-label"] for a in figures)
    assert "#010203" not in render(evidence)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.03, 0.07, "beats the best baseline"), (-0.07, -0.03, "No recipe beats"), (-0.01, 0.02, "cannot be told")],
)
def test_the_headline_is_no_bolder_than_the_interval(evidence: Evidence, low: float, high: float, words: str) -> None:
    assert evidence.comparison is not None
    shown = replace(evidence, comparison=replace(evidence.comparison, mean=(low + high) / 2, low=low, high=high))
    assert words in shown.headline()
    assert words in render(shown)


def test_the_best_value_of_each_metric_is_marked_and_sortable(evidence: Evidence) -> None:
    page = render(evidence)
    assert re.search(r'data-value="0.15" class="best">0.1500', page)
    assert not re.search(r'data-value="0.1" class="best"', page)


def test_the_same_evidence_gives_the_same_bytes(evidence: Evidence) -> None:
    assert render(evidence) == render(evidence)


def test_long_text_is_cut() -> None:
    assert len(plain("x" * 10_000)) == LONGEST
    assert plain("a\nb\x00c") == "a b c"
