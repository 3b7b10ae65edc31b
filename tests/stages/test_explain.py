"""Why a stage runs: the words name what changed, and asking changes nothing."""

from __future__ import annotations

from pathlib import Path

from recsys_cl.stages.explain import explain
from recsys_cl.stages.store import Store, key_digests
from tests.stages.test_runner import chain, run


def told(steps, root):
    return {one.stage: (one.will, one.why) for one in explain(steps, Store(root))}


def test_before_anything_was_made(tmp_path: Path) -> None:
    found = told(chain(), tmp_path)
    assert found["a"] == ("run", "never made")
    assert found["c"] == ("depends", "never made")
    assert not list(tmp_path.iterdir()), "to ask makes nothing"


def test_what_is_up_to_date_is_said_to_be(tmp_path: Path) -> None:
    run(chain(), tmp_path)
    assert {will for will, _ in told(chain(), tmp_path).values()} == {"skip"}


def test_the_setting_the_input_and_the_version_are_named(tmp_path: Path) -> None:
    run(chain(), tmp_path)
    changed = chain()
    changed[1].word = "TWO"
    found = told(changed, tmp_path)
    assert found["b/x"] == ("run", "setting word changed")
    assert found["b/y"][0] == "skip"
    assert found["c"] == ("depends", "reads out/b/x, to be made first")
    run(changed, tmp_path)
    changed[0].version = 2
    changed[2].log = {"file": "digest"}
    assert told(changed, tmp_path)["a"] == ("run", "stage version 1 became 2")
    changed[0].version = 1
    assert told(changed, tmp_path)["b/y"] == ("run", "file changed")


def test_an_input_that_came_out_otherwise_is_named(tmp_path: Path) -> None:
    run(chain(), tmp_path)
    changed = chain()
    changed[0].word = "ONE"
    run(changed[:1], tmp_path)
    assert told(changed, tmp_path)["b/x"] == ("run", "input out/a changed")


def test_keys_of_nested_settings_are_dotted_and_hold_no_value() -> None:
    found = key_digests({"recipe": {"views": [{"eps": 0.2}], "ks": [1, 2]}, "password": "secret"})
    assert sorted(found) == ["password", "recipe.ks", "recipe.views.0.eps"]
    assert "secret" not in str(found)
    assert found != key_digests({"recipe": {"views": [{"eps": 0.2}], "ks": [1, 3]}, "password": "secret"})
