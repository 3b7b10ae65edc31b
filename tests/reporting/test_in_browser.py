"""The page as a browser shows it: silent, alone, sortable, dark, narrow, printed, and deaf to what data would have it do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.page import render
from tests.reporting.made_up import HOSTILE, hostile

if TYPE_CHECKING:
    from tests.reporting.conftest import Browser

pytestmark = pytest.mark.slow

FIRST_COLUMN = "[...document.querySelectorAll('#results .tables tbody th bdi')].map(e => e.textContent)"
ACTIVE = "script, img, iframe, object, embed, link, base, form, input, audio, video, foreignObject, animate, set, use[href^=http], a[href^=javascript]"


def test_the_console_is_silent_and_no_request_leaves_the_page(browser: Browser, page: str) -> None:
    browser.show(page)
    assert browser.complaints() == []
    assert browser.requests() == [browser.path.as_uri()]


def head(name: str) -> str:
    return f"[...document.querySelectorAll('#results .tables thead button')].find(b => b.textContent.startsWith('{name}') && b.offsetWidth)"


@pytest.mark.parametrize(
    ("column", "falling"), [("recall", ["xsimgcl", "lightgcn", "popular"]), ("recipe", ["xsimgcl", "popular", "lightgcn"])]
)
def test_a_click_sorts_and_another_turns_it_round(browser: Browser, page: str, column: str, falling: list[str]) -> None:
    browser.show(page)
    for direction, expected in (("descending", falling), ("ascending", falling[::-1])):
        browser.driver.execute_script(f"{head(column)}.click()")
        assert browser.ask(FIRST_COLUMN) == expected
        assert browser.ask("[...document.querySelectorAll('#results [aria-sort]')].map(e => e.ariaSort)") == [direction]


def test_what_has_no_value_stays_last_in_either_direction(browser: Browser, page: str) -> None:
    browser.show(page)
    browser.driver.execute_script(f"{head('ndcg')}.click()")
    assert browser.ask(FIRST_COLUMN)[0] == "popular"
    for _ in range(2):
        browser.driver.execute_script(f"{head('epochs')}.click()")
        assert browser.ask(FIRST_COLUMN)[-1] == "popular", "it was not trained"
    assert browser.complaints() == []


def test_the_table_stands_by_the_selecting_metric_and_the_keyboard_sorts_it(browser: Browser, page: str) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.show(page)
    assert browser.ask(FIRST_COLUMN) == ["xsimgcl", "lightgcn", "popular"]
    for key in (Keys.ENTER, Keys.SPACE):
        browser.show(page)
        browser.driver.execute_script(f"{head('ndcg')}.focus()")
        browser.driver.switch_to.active_element.send_keys(key)
        assert browser.ask(FIRST_COLUMN) == ["popular", "lightgcn", "xsimgcl"], key


def test_one_depth_is_shown_at_a_time(browser: Browser, page: str) -> None:
    browser.show(page)
    shown = "[...document.querySelectorAll('#results .tables thead th')].filter(e => !e.hidden).map(e => e.textContent)"
    assert browser.ask(shown) == ["recipe", "recall@20", "ndcg@20", "coverage@20", "trials", "epochs", "training"]
    browser.driver.execute_script("document.querySelector('.depths button').click()")
    assert browser.ask(shown) == ["recipe", "recall@10", "ndcg@10", "trials", "epochs", "training"]


def test_dark_mode_changes_the_page_and_its_charts(browser: Browser, page: str) -> None:
    def colours(scheme: str) -> list[str]:
        browser.show(page, scheme=scheme)
        mark = "getComputedStyle(document.querySelector('#learning .told use')).fill"
        text = "getComputedStyle(document.querySelector('svg.chart text')).fill"
        paper = "getComputedStyle(document.body).backgroundColor"
        return list(browser.ask(f"[{paper}, {mark}, {text}]"))

    light, dark = colours("light"), colours("dark")
    assert all(a != b for a, b in zip(light, dark, strict=True)), (light, dark)


def test_every_chart_has_marks_with_values_and_says_the_same_in_words(browser: Browser, page: str) -> None:
    browser.show(page)
    charts = browser.ask(
        "[...document.querySelectorAll('figure')].map(f => ({title: f.querySelector('figcaption').textContent,"
        " marks: f.querySelectorAll('svg .told title').length, inView: f.querySelector('svg').getBoundingClientRect().height,"
        " said: f.querySelector('[role=img]').getAttribute('aria-label'), rows: f.querySelectorAll('details tbody tr').length}))"
    )
    assert len(charts) == browser.ask("document.querySelectorAll('svg').length") == 13
    for chart in charts:
        assert chart["marks"] >= 2, chart
        assert chart["rows"] >= 2, chart
        assert len(chart["said"]) > 30, chart
        assert chart["inView"] > 50, chart
    assert browser.ask("document.querySelectorAll('svg.chart use:not([href^=\"#\"])').length") == 0


@pytest.mark.parametrize("width", [1200, 390])
def test_a_mark_that_is_pointed_at_says_its_value(browser: Browser, page: str, width: int) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.support.ui import WebDriverWait

    browser.show(page, width=width)
    tip = "(t => t.hidden ? null : t.textContent)(document.querySelector('.tip'))"
    assert browser.ask(tip) is None
    mark = browser.ask("document.querySelector('#learning .told use:last-of-type')")
    value = browser.driver.execute_script("return arguments[0].querySelector('title').textContent", mark)

    def pointed_at(_: object) -> bool:
        browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", mark)
        away = ActionBuilder(browser.driver)  # a pointer that is there already tells the page nothing
        away.pointer_action.move_to_location(1, 1)
        away.perform()
        ActionChains(browser.driver).move_to_element(mark).perform()
        return browser.ask(tip) is not None

    WebDriverWait(browser.driver, 20).until(pointed_at)  # where the page moved under the pointer, it is pointed at again
    assert browser.ask(tip) == value
    inside = "(b => b.left >= 0 && b.right <= innerWidth && b.top >= 0)(document.querySelector('.tip').getBoundingClientRect())"
    assert browser.ask(inside)
    browser.driver.execute_script(
        "document.querySelector('h1').dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
    )
    assert browser.ask(tip) is None
    assert browser.driver.execute_script("return arguments[0].querySelector('title').textContent", mark) == value


@pytest.mark.parametrize("who", ["whole", "hostile"])
def test_on_a_phone_the_page_does_not_scroll_sideways(browser: Browser, whole: Evidence, who: str) -> None:
    browser.show(render(whole if who == "whole" else hostile()), width=390)
    browser.driver.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert browser.ask("document.documentElement.scrollWidth") <= 390


def test_a_long_text_in_a_table_stays_readable_on_a_phone(browser: Browser, whole: Evidence) -> None:
    check = {"name": "overlap", "verdict": "ok", "count": 0, "what": "interactions (user, item, time) " * 3, "examples": []}
    browser.show(render(replace(whole, audit={"verdict": "ok", "checks": [check]})), width=390)
    assert browser.ask("document.querySelector('#audit td.long').offsetWidth") >= 250


def test_in_print_nothing_is_cut_and_nothing_asks_to_be_clicked(browser: Browser, whole: Evidence) -> None:
    metrics = [
        f"{name}@{k}" for name in ("recall", "ndcg", "precision", "hit_rate", "mrr", "map", "coverage") for k in (10, 20)
    ]
    every = {"test": dict.fromkeys(metrics, 0.1234), "intervals": dict.fromkeys(metrics, (0.1111, 0.2222)), "seconds": 800.0}
    names = ("popular", "xsimgcl", "recent-popular")
    wide = replace(whole, trials=[replace(trial, **every, name=name) for trial, name in zip(whole.trials, names, strict=True)])
    browser.show(render(wide), width=688, scheme="dark", media="print")  # A4 between its margins
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask("document.querySelector('nav').offsetHeight") == 0
    assert (
        browser.ask("[...document.querySelectorAll('.scroll')].filter(e => e.offsetWidth && e.scrollWidth > 688).length") == 0
    )
    assert len(browser.driver.execute_cdp_cmd("Page.printToPDF", {})["data"]) > 50_000


def test_hostile_text_is_shown_and_does_nothing(browser: Browser) -> None:
    browser.show(render(hostile()))
    assert browser.ask(f"document.querySelectorAll('{ACTIVE}').length") == 1, "the page's own script"
    listening = (
        "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on')).length"
    )
    assert browser.ask(listening) == 0
    assert browser.ask("window.hacked === undefined")
    assert browser.complaints() == []
    assert browser.requests() == [browser.path.as_uri()]
    shown = browser.ask("document.body.textContent")
    assert HOSTILE[:60] in shown
    assert "{{ 7 * 7 }}" in shown
    assert "\u202e" not in shown
    provenance = browser.ask("document.querySelector('#provenance').innerText")
    browser.driver.execute_script("document.querySelector('#provenance').remove()")
    assert "x" * 200 not in browser.ask("document.querySelector('main').innerText")
    assert "x" * 4000 not in provenance, "settings are quoted whole, and not without end"


def test_the_policy_stops_what_would_run_after_all(browser: Browser, page: str) -> None:
    browser.show(page.replace("</main>", "<script>window.hacked = 1</script><img src=http://localhost/x></main>"))
    assert browser.ask("window.hacked === undefined")
    assert len(browser.complaints()) == 2, "both refusals are told"


def test_no_number_is_printed_that_is_none(browser: Browser, whole: Evidence) -> None:
    nan, inf = float("nan"), float("inf")
    spoilt = replace(
        whole.trials[1],
        test=dict.fromkeys(whole.trials[1].test, nan),
        intervals={"ndcg@20": (-inf, inf)},
        recall=[nan, 0.1, inf, 0.2],
        popularity=inf,
        seconds=nan,
        history=[{"step": n, "loss/bpr": (nan, 0.5, 0.4)[n], "valid/ndcg@20": (0.1, inf, 0.2)[n]} for n in range(3)],
        representation={"alignment": nan},
        segments=[{**row, "share": {"ndcg@20": nan}, "metrics": {"ndcg@20": inf}} for row in whole.trials[1].segments],
    )
    browser.show(render(replace(whole, trials=[whole.trials[0], spoilt, whole.trials[2]], data={**whole.data, "density": nan})))
    words = set(browser.ask("document.documentElement.textContent.toLowerCase()").replace("[", " ").replace(",", " ").split())
    assert not words & {"nan", "inf", "-inf", "infinity", "nan%", "+inf"}
    assert browser.complaints() == []
