"""The report stands alone, says the honest sentence, and shows data as text whatever the data says."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.page import render
from recsys_cl.reporting.sections.results import table
from tests.reporting.made_up import HOSTILE, evidence, hostile


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


def test_strangers_are_drawn_where_they_were_asked_for() -> None:
    plain = evidence()
    assert "Strangers" not in render(plain)
    curve = {0: {"ndcg@20": 0.01}, 1: {"ndcg@20": 0.0567}, 5: {"ndcg@20": 0.1234}}
    told = [replace(trial, strangers=curve) for trial in plain.trials]
    page = Nodes(render(replace(plain, trials=told)))
    assert "Strangers, by how many items are known of them" in page.text
    assert ".1234" in page.text


def test_hostile_text_stays_text_everywhere() -> None:
    page = Nodes(render(hostile()))
    kinds = [tag for tag, _ in page.tags]
    assert kinds.count("script") == 1
    assert not {"img", "iframe", "object", "embed", "link", "form", "base", "input"} & set(kinds)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count("{{ 7 * 7 }}") >= 8, "names, titles, examples, maps, audit, protocols, facts, conventions"
    assert "\u202e" not in page.text
    assert "\u200f" not in page.text
    assert not re.search(r"\b49\b", page.text.split("Examples")[-1]), "nothing was evaluated"


def test_hostile_text_makes_no_node_that_harmless_text_would_not() -> None:
    def harmless(value: object) -> object:
        return "words" if value == HOSTILE else value

    page = render(hostile())
    tame = page.replace(str(harmless(HOSTILE)), "words")
    assert {tag for tag, _ in Nodes(page).tags} == {tag for tag, _ in Nodes(tame).tags}


def test_nothing_leaves_the_page(page: str) -> None:
    nodes = Nodes(page)
    policy = next(a["content"] for tag, a in nodes.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    links = [value for _, a in nodes.tags for key, value in a.items() if key in {"src", "href", "xlink:href"} and value]
    assert links
    assert all(link.startswith("#") for link in links)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert len(page.encode()) < 3 * 2**20


def test_the_policy_admits_exactly_the_script_on_the_page(page: str) -> None:
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script is not None
    assert f"sha256-{base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()}" in page


def test_the_page_says_how_settings_were_found(whole: Evidence) -> None:
    trials = list(whole.trials)
    assert "12 trials each; popular as written." in Nodes(render(whole)).text
    unequal = replace(whole, trials=[trials[0], replace(trials[1], searched=40), trials[2]])
    assert "unequal budgets, 12 to 40 trials; popular as written." in Nodes(render(unequal)).text
    unknown = replace(whole, trials=[replace(trial, searched=None) for trial in trials])
    assert "Whether settings were searched for is not on record." in Nodes(render(unknown)).text
    none = replace(whole, trials=[replace(trial, searched=0) for trial in trials])
    assert "No settings were searched for: every recipe stands as it is written." in Nodes(render(none)).text


def test_the_page_says_what_was_ranked(whole: Evidence) -> None:
    assert "Exact ranking of the whole catalogue for every user" in Nodes(render(whole)).text
    rule = "all items of the training data with domain = <films>"
    some = replace(whole, counts={**whole.counts, "outside_candidates": 0}, conventions={"candidates": rule})
    assert f"Exact ranking of the candidates ({rule}) for every user" in Nodes(render(some)).text


def test_whom_the_headline_is_about_and_who_is_registered_are_told_apart_where_they_differ(whole: Evidence) -> None:
    assert "The headline is about" not in render(whole)
    strong = replace(whole.trials[1], name="mf-softmax", valid={"ndcg@20": 0.2})
    assert whole.comparison is not None
    compared = replace(whole.comparison, baselines=["popular", "mf-softmax"])
    text = Nodes(render(replace(whole, trials=[*whole.trials, strong], comparison=compared))).text
    assert "The headline is about xsimgcl: of what is no baseline, validation prefers it." in text
    assert "it prefers mf-softmax, and that is registered unless registry.experiment names another." in text


def test_ids_are_not_shared_between_charts(page: str) -> None:
    ids = [a["id"] for _, a in Nodes(page).tags if "id" in a]
    assert len(ids) == len(set(ids))
    pointed = {str(a["href"])[1:] for _, a in Nodes(page).tags if str(a.get("href", "")).startswith("#")}
    clipped = set(re.findall(r"url\(#([^)]+)\)", page))
    assert pointed | clipped <= set(ids)


def test_charts_follow_the_page_in_light_and_dark(page: str) -> None:
    charts = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert not re.search(r"#[0-9a-f]{6}\b", charts), "every colour is the style sheet's"
    assert set(re.findall(r"var\((--\w+)\)", charts)) <= set(re.findall(r"(--\w+):", page))


def test_what_is_missing_is_said_in_one_line_and_draws_nothing(whole: Evidence) -> None:
    bare = replace(
        whole,
        trials=[replace(t, history=[], recall=[], popularity=None, segments=[], representation={}) for t in whole.trials],
        comparison=None,
        data={},
        examples=[],
        maps=[],
        audit=None,
        protocols=None,
    )
    page = render(replace(bare, trials=[replace(t, test={"ndcg@20": 0.1}) for t in bare.trials]))
    assert "<svg" not in page
    for section in ("segments", "beyond", "learning", "items", "representation", "protocols", "data", "audit", "examples"):
        assert f'<section id="{section}" class="missing">' in page
    assert "Nothing is claimed" in page


def test_marks_intervals_and_openings_are_shown(whole: Evidence) -> None:
    page = render(whole)
    row = re.search(r"<th scope=row[^>]*><bdi>xsimgcl</bdi>.*?</tr>", page, re.DOTALL)
    assert row is not None
    assert row[0].count('aria-label="significantly higher"') == 2
    assert "<small>0.1400 \u2013 0.1600</small>" in row[0]
    assert re.search(r'class=" best"[^>]*><span class="higher"', row[0])
    assert "opened 8 times" in page
    assert "by +50.0\u00a0% [\u22123.0,\u00a070.0] ndcg@20" in page, "a minus sign, and no line break within a number"


@pytest.mark.parametrize(("larger", "best"), [(True, "xsimgcl"), (False, "popular"), (None, None)])
def test_the_best_is_in_bold_whichever_way_is_better(whole: Evidence, *, larger: bool | None, best: str | None) -> None:
    shown = table(replace(whole, larger_is_better={"ndcg@20": larger}))
    place = next(number for number, column in enumerate(shown.columns) if column.means == "ndcg@20")
    assert {row[0].text: row[place].best for row in shown.rows} == {t.name: t.name == best for t in whole.trials}


def test_what_is_not_tested_over_users_is_said(whole: Evidence) -> None:
    intervals = {name: (0.0, 1.0) for name in whole.metrics if not name.startswith("coverage")}
    page = render(replace(whole, trials=[replace(trial, intervals=intervals) for trial in whole.trials]))
    assert "which no test over users compares: coverage." in page


def test_the_audit_says_at_once_what_is_amiss(whole: Evidence) -> None:
    found = {"name": "duplicate_titles", "verdict": "warning", "count": 3, "what": "items", "examples": []}
    told = replace(whole, audit={"verdict": "warning", "checks": [{**found, "name": "core", "verdict": "ok"}, found]})
    assert "Verdict: warning (duplicate titles). " in render(told)
    assert "Verdict: ok. " in render(replace(whole, audit={"verdict": "ok", "checks": [{**found, "verdict": "ok"}]}))


def test_a_log_without_times_is_not_drawn_over_time(whole: Evidence) -> None:
    parts = {
        name: {**part, "first": "1970-01-01T00:00:00", "last": "1970-01-01T00:02:00"}
        for name, part in whole.data["parts"].items()
    }
    before, page = render(whole), render(replace(whole, data={**whole.data, "parts": parts}))
    for drawn in ("Events over time", "The split in time", ">first<"):
        assert drawn in before, drawn
        assert drawn not in page, drawn
    assert "This log has no times" in page
    assert "This log has no times" not in before


def test_without_an_earlier_version_drift_is_said_not_to_be_measured(whole: Evidence) -> None:
    assert "Drift is measured between" not in render(whole)
    assert "Drift is measured between" in render(replace(whole, data={**whole.data, "drift": {"checks": []}}))


def test_settings_are_quoted_whole(whole: Evidence) -> None:
    long = "{" + "k" * 1500 + "}"
    assert long in render(replace(whole, facts={"prepare": long}))


def test_what_categories_alone_would_give_stands_beside_the_probe(whole: Evidence) -> None:
    measures = {
        "probe_accuracy": 0.4,
        "majority_rate": 0.25,
        "neighbour_agreement": 0.3,
        "chance_agreement": 0.125,
        "dimension": 64.0,
    }
    page = render(replace(whole, trials=[replace(trial, representation=measures) for trial in whole.trials]))
    section = page[page.index('<section id="representation">') : page.index('<section id="protocols">')]
    assert "25.0\u00a0% are of the most frequent category" in section
    assert "in 12.5\u00a0% of cases" in section
    assert re.findall(r"<button type=\"button\">([^<]*)", section) == [
        "recipe",
        "dimension",
        "probe accuracy",
        "neighbour agreement",
    ]
    assert "<bdi>64</bdi>" in section


def test_whose_vectors_were_not_kept_is_said(whole: Evidence) -> None:
    page = render(replace(whole, trials=[whole.trials[0], replace(whole.trials[1], representation={}), *whole.trials[2:]]))
    assert "Of xsimgcl no vectors were kept" in page
    assert "no vectors were kept" not in render(whole)


def test_a_leak_is_told_beside_the_headline(whole: Evidence) -> None:
    assert "cannot be trusted" not in render(whole)
    assert whole.audit is not None
    assert "cannot be trusted" in render(replace(whole, audit={**whole.audit, "verdict": "leak"}))


def test_the_same_evidence_gives_the_same_bytes(whole: Evidence) -> None:
    assert render(whole) == render(whole)


@pytest.mark.parametrize("count", [8, 25])
def test_many_recipes_keep_marks_of_their_own(whole: Evidence, count: int) -> None:
    from recsys_cl.reporting.charts.marks import marks

    looks = marks([f"recipe-{n}" for n in range(count)])
    assert len({(look.hue, look.glyph, str(look.dash)) for look in looks.values()}) == count
    trials = [replace(whole.trials[1], name=name) for name in looks]
    assert len(render(replace(whole, trials=trials)).encode()) < 3 * 2**20
