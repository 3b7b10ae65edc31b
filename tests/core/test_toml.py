"""A user's mistake in a settings file is answered with its place and the nearest valid choice."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Settings
from recsys_cl.core.toml import assignment, line_of, merge, parse, read_text, telling_where, validate


class Inner(Settings):
    epochs: int = Field(1, ge=0)
    rates: tuple[float, ...] = ()


class Outer(Settings):
    name: str
    training: Inner = Inner()


def load(text: str) -> Outer:
    return validate(Outer, parse(text, "x.toml"), "x.toml", text)


def test_arrays_become_tuples_and_integers_stand_for_reals() -> None:
    assert load('name = "a"\n[training]\nrates = [1, 0.5]').training.rates == (1.0, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "a"\n\n[training]\nepoch = 3', r"x\.toml:4: training\.epoch: unknown key; did you mean 'epochs'"),
        ('name = "a"\n[trainin]\nepochs = 3', r"x\.toml:2: trainin: unknown key; did you mean 'training'"),
        ('name = "a"\ntraining.epochs = -1', r"x\.toml:2: training\.epochs: .*greater than or equal to 0, got -1"),
        ('name = "a"\n[training]\nepochs = "3"', r"x\.toml:3: training\.epochs: .*integer.*got '3'"),
        ("[training]\nepochs = 3", r"x\.toml: name: is needed"),
        ("name = \n", r"x\.toml: not valid TOML.*line 1"),
    ],
)
def test_a_mistake_names_file_line_and_key(text: str, message: str) -> None:
    with pytest.raises(Refused, match=message):
        load(text)


COUNTED = """views = [
  { rate = 0.1 },
]
[[runs]]
name = "a"
set.dim = 3
[runs.more]
dim = 4
[[runs]]
name = "b"
[runs.more]
dim = 5
[[runs.views]]
rate = 1
[[runs]]
[[runs.views]]
rate = 2
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("runs.0.name", 5),
        ("runs.1.name", 10),
        ("runs.0.set.dim", 6),
        ("runs.0.more.dim", 8),
        ("runs.1.more.dim", 12),
        ("runs.1", 9),
        ("views.0", 1),
        ("views", 1),
        ("runs.1.views.0.rate", 14),
        ("runs.2.views.0.rate", 17),
        ("runs.3.name", 5),
        ("rums", None),
    ],
)
def test_places_in_lists_are_counted_where_the_text_counts_them(key: str, line: int | None) -> None:
    assert line_of(key.split("."), COUNTED) == line


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("runs.1.name: no", "x.toml:10: runs.1.name: no"),
        ("views.0.rate: no", "x.toml:1: views.0.rate: no"),
        ("runs.1.more.depth: no", "x.toml:11: runs.1.more.depth: no"),
        ("log.csv: no such file", "x.toml: log.csv: no such file"),
    ],
)
def test_what_is_refused_meanwhile_is_told_with_its_place(said: str, told: str) -> None:
    class Special(Refused):
        pass

    with pytest.raises(Special) as caught, telling_where("x.toml", COUNTED):
        raise Special(said)
    assert str(caught.value) == told


def test_several_mistakes_are_told_at_once() -> None:
    with pytest.raises(Refused, match=r"rates: .*; x\.toml:3: training\.epoch: unknown key"):
        load('name = "a"\n[training]\nepoch = 3\nrates = "no"')


def test_an_override_is_laid_over_table_by_table_and_a_new_component_starts_afresh() -> None:
    recipe = {"encoder": {"use": "mf", "dim": 64}, "seed": 1}
    assert merge(recipe, {"encoder": {"dim": 8}})["encoder"] == {"use": "mf", "dim": 8}
    assert merge(recipe, {"encoder": {"use": "gru"}})["encoder"] == {"use": "gru"}
    assert recipe["encoder"] == {"use": "mf", "dim": 64}, "the input is not edited"


def test_a_list_is_changed_in_a_place_by_its_number() -> None:
    recipe = {"views": [{"use": "edge_drop", "rate": 0.1, "hold": "epoch"}, {"use": "mask"}], "ks": [10, 20]}
    changed = merge(recipe, merge(assignment("views.0.rate=0.2"), assignment("ks.1=50")))
    assert changed == {"views": [{"use": "edge_drop", "rate": 0.2, "hold": "epoch"}, {"use": "mask"}], "ks": [10, 50]}
    assert merge(recipe, assignment('views.1={use = "crop"}'))["views"][1] == {"use": "crop"}
    assert merge(recipe, {"views": []})["views"] == []
    assert recipe["views"][0]["rate"] == 0.1, "the input is not edited"


@pytest.mark.parametrize("key", ["2", "-1", "rate"])
def test_a_place_that_a_list_has_not_is_refused(key: str) -> None:
    with pytest.raises(Refused, match=rf"^a\.views is a list and has no place {key}; valid: 0, 1$|did you mean"):
        merge({"a": {"views": [{}, {}]}}, {"a": {"views": {key: {"rate": 1}}}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=3", {"a": {"b": 3}}),
        ("a=0.5", {"a": 0.5}),
        ("a=true", {"a": True}),
        ("a=[1, 2]", {"a": [1, 2]}),
        ('a="3"', {"a": "3"}),
        ("a=plain text", {"a": "plain text"}),
        ("a.path=/x=y", {"a": {"path": "/x=y"}}),
    ],
)
def test_assignments_from_the_command_line_are_toml_values_or_text(text: str, expected: dict[str, object]) -> None:
    assert assignment(text) == expected


def test_an_assignment_without_a_value_is_refused() -> None:
    with pytest.raises(Refused, match="expected key=value"):
        assignment("epochs")


def test_the_environment_fills_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_FOLDER", "/logs")
    assert parse('a = "${SOME_FOLDER}/x"\nb = ["${NOT_THERE_AT_ALL:-default}/y"]', "x") == {"a": "/logs/x", "b": ["default/y"]}


def test_a_variable_that_is_not_set_is_refused_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    assert parse('a = "${EMPTY:-default}"\nb = "${EMPTY}"\nc = "${NOT_THERE:-}"', "x") == {"a": "default", "b": "", "c": ""}
    with pytest.raises(Refused, match=r"shop\.toml:2: \$\{NOT_THERE\} is not set .* \$\{NOT_THERE:-\.\.\.\}"):
        parse('name = "shop"\npath = "${NOT_THERE}/logs"', "shop.toml")


def test_a_missing_file_names_a_close_one(tmp_path: Path) -> None:
    (tmp_path / "demo.toml").write_text("")
    with pytest.raises(Refused, match=r"demos\.toml: no such file; did you mean 'demo\.toml'"):
        read_text(tmp_path / "demos.toml")
