"""A space is data: derived from what a recipe contains, refused where a key or a range is wrong, laid over settings exactly."""

from __future__ import annotations

import pytest

from recsys_cl.config import alter, load_recipe, recipe_names
from recsys_cl.core.build import names
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.toml import parse
from recsys_cl.tuning.fragment import fragment
from recsys_cl.tuning.space import build_space, change, default_space, leaves, own


def component(use, **arguments):
    return Component.model_validate({"use": use, **arguments})


RANGES = {
    "log_uniform": component("log_uniform", low=0.1, high=10),
    "uniform": component("uniform", low=-1, high=1),
    "integer": component("integer", low=1, high=64, log=True),
    "choice": component("choice", values=[1, 0.5, "cosine", False]),
}


class Extreme:
    """A trial that always answers with one end of the range."""

    def __init__(self, end):
        self.end = end

    def suggest_float(self, name, low, high, *, log=False):
        return (low, high)[self.end]

    suggest_int = suggest_float

    def suggest_categorical(self, name, choices):
        return choices[self.end]


def test_every_range_is_tried_here():
    assert set(RANGES) == set(names("tuning.ranges"))


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("end", [0, -1])
def test_a_range_answers_with_what_it_holds(name, end):
    made = build_space({"a.b": RANGES[name]})["a.b"]
    answer = made(Extreme(end), "a.b")
    assert answer == made.ends[end]
    assert made.holds(answer)
    assert not made.holds("nothing of the kind")
    assert not made.holds(None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (component("log_unifrm", low=1, high=2), r"no 'log_unifrm'.*did you mean 'log_uniform'"),
        (component("uniform", low=1, hihg=2), r"hihg.*did you mean 'high'"),
        (component("uniform", low=1), r"high: 'uniform' needs this"),
        (component("uniform", low="a", high=2), r"low: .*number"),
        (component("uniform", low=2, high=1), r"low < high"),
        (component("log_uniform", low=0, high=1), r"0 < low"),
        (component("integer", low=0.5, high=2), r"low: .*int"),
        (component("integer", low=0, high=2, log=True), r"at least 1"),
        (component("choice", values=[]), r"at least one"),
        (component("choice", values=[1, 1]), r"different"),
        (component("choice", values=[1, True]), r"different"),
    ],
)
def test_a_wrong_range_is_refused_by_its_key(given, message):
    with pytest.raises(Refused, match=r'^tune\.space\."encoder\.dim".*' + message):
        build_space({"encoder.dim": given})


def test_the_default_space_follows_what_the_recipe_contains():
    space = default_space(load_recipe("xsimgcl").settings())
    assert set(space) == {
        "training.learning_rate",
        "objectives.contrast.weight",
        "objectives.contrast.temperature",
        "objectives.l2.weight",
        "main_view.eps",
    }
    assert space["objectives.contrast.weight"].arguments == {"low": 0.02, "high": 2.0}
    assert "encoder.dropout" in default_space(load_recipe("sasrec-softmax").settings())
    fading = default_space(load_recipe("spectral-softmax").settings())["source.recency"]
    assert (fading.use, fading.arguments) == ("uniform", {"low": 0.0, "high": 2.0})
    assert default_space(load_recipe("popular").settings()) == {}, "what trains nothing has no learning rate"


@pytest.mark.parametrize("name", recipe_names())
def test_the_recipes_own_values_lie_in_its_space(name):
    recipe = load_recipe(name)
    ranges = build_space(recipe.tune.space or default_space(recipe.settings()))
    mine = own(recipe.settings(), ranges)
    assert mine is not None
    assert set(mine) == set(ranges)
    assert alter(recipe, change(recipe.settings(), mine), name).settings() == recipe.settings()
    for key, values in ranges.items():
        for end in values.ends:
            alter(recipe, change(recipe.settings(), {key: end}), name)


def test_own_values_outside_the_range_are_not_taken():
    settings = load_recipe("ease").settings()
    assert own(settings, build_space({"encoder.l2": component("uniform", low=1, high=2)})) is None
    assert own(settings, build_space({"encoder.limit_mib": component("integer", low=1, high=2)})) is None


def test_a_change_in_a_list_is_of_its_place_alone():
    settings = load_recipe("sgl-edge").settings()
    before = dict(leaves(settings))
    key = next(key for key in before if key.startswith("views.1.") and isinstance(before[key], float))
    changed = change(settings, {key: 0.25, key.replace("views.1", "views.0"): 0.75})
    assert dict(leaves(settings)) == before, "the input is not edited"
    assert changed == {"views": {"1": {key.split(".")[-1]: 0.25}, "0": {key.split(".")[-1]: 0.75}}}
    altered = dict(leaves(alter(load_recipe("sgl-edge"), changed, "sgl").settings()))
    assert {name: value for name, value in altered.items() if before[name] != value} == {
        key: 0.25,
        key.replace("views.1", "views.0"): 0.75,
    }


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("encodr.dim", r"has no 'encodr'; did you mean 'encoder'"),
        ("objectives.contrst.weight", r"has no 'contrst'; did you mean 'contrast'"),
        ("views.7.rate", r"has no"),
        ("encoder.dim.inner", r"has no 'dim'"),
    ],
)
def test_a_change_of_what_is_not_there_names_the_nearest(key, message):
    with pytest.raises(Refused, match=message):
        change(load_recipe("xsimgcl").settings(), {key: 1})


def test_a_fragment_reads_as_the_change_it_was_made_from():
    made = {
        "training": {"learning_rate": 1e-05, "schedule": "cosine", "refit": True},
        "views": {"0": {"rate": 0.1}, "1": {"of": {"0": {"rate": 0.3}}}},
        "encoder": {"dim": 32},
    }
    text = fragment("found\nhere", 12, made)
    assert text.startswith("# found\n# here\n")
    assert parse(text, "best.toml") == {"trials": 12, "set": made}
    assert parse(f'[[experiments]]\nrecipe = "sgl"\n{text}', "x")["experiments"][0]["set"] == made, "it can be pasted"


def test_a_recipe_declares_a_space_and_it_decides_nothing_else():
    plain = load_recipe("ease", {"tune": {"space": {}}})
    recipe = load_recipe("ease")
    assert set(recipe.tune.space) == {"encoder.l2"}
    assert recipe.settings() == plain.settings()
    assert "tune" not in recipe.model_dump()
    with pytest.raises(Refused, match=r"recipes/ease\.toml:\d+: tune\.space\.\"encoder\.l2\": no 'uniformly'.*'uniform'"):
        load_recipe("ease", {"tune": {"space": {"encoder.l2": {"use": "uniformly"}}}})


def test_every_recipe_with_a_setting_has_something_to_tune():
    """An equal number of trials is only equal where each can be used: a strong baseline with one trial would be a weak one."""
    recipes = {name: load_recipe(name) for name in recipe_names()}
    without = {name for name, recipe in recipes.items() if not (recipe.tune.space or default_space(recipe.settings()))}
    assert without == {"popular", "random", "content-profile"}
    assert all(set(recipes[name].settings()["encoder"]) == {"use"} for name in without)
