"""A pipeline or recipe that cannot work is refused before data is read, by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_cl.config import BASELINES, load_pipeline, load_recipe, recipe_names
from recsys_cl.core.errors import Refused
from recsys_cl.ingest.versions.options import settings

PIPELINE = """
name = "small"

[ingest.source]
use = "synthetic"

[prepare]
split = { use = "time" }

[[experiments]]
recipe = "xsimgcl"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(text)
    return path


def test_defaults_and_baselines(tmp_path: Path) -> None:
    recipes = load_pipeline(write(tmp_path, PIPELINE)).recipes()
    assert list(recipes) == [*BASELINES, "xsimgcl"]


def test_changes_are_laid_over_in_order_and_spare_the_baselines(tmp_path: Path) -> None:
    text = PIPELINE.replace("[[exp", "[override]\nencoder.dim = 16\ntraining.epochs = 2\n[[exp")
    text += 'set.encoder.dim = 8\n[[experiments]]\nrecipe = "xsimgcl"\nname = "wide"\nset.encoder.dim = 128\n'
    recipes = load_pipeline(write(tmp_path, text)).recipes()
    assert recipes["xsimgcl"].encoder.arguments["dim"] == 8
    assert recipes["wide"].encoder.arguments["dim"] == 128
    assert recipes["wide"].training.epochs == 2
    assert recipes["popular"].training.epochs == 0


@pytest.mark.parametrize("said", ["2024-01-31", "2024-01-31T00:00:00", '"2024-01-31T00:00:00"'])
def test_a_day_is_its_beginning(tmp_path: Path, said: str) -> None:
    written = load_pipeline(write(tmp_path, PIPELINE.replace("[prepare]", f"[ingest]\nas_of = {said}\n[prepare]")))
    typed = load_pipeline(write(tmp_path, PIPELINE), [f"ingest.as_of={said}"])
    assert written.ingest.as_of == typed.ingest.as_of == settings({"as_of": "2024-01-31"}).as_of


def test_what_is_typed_comes_last(tmp_path: Path) -> None:
    (tmp_path / "best.toml").write_text("trials = 3\n[set.encoder]\nlayers = 1\ndim = 4\n")
    text = PIPELINE + f'set.encoder.dim = 8\nset.training.epochs = 9\ntuned = "{tmp_path}/best.toml"\n'
    typed = ["override.encoder.dim=32", "override.training.epochs=3", "override.encoder.dim=16"]
    recipe = load_pipeline(write(tmp_path, text), typed).recipes()["xsimgcl"]
    assert (recipe.encoder.arguments["dim"], recipe.encoder.arguments["layers"], recipe.training.epochs) == (16, 1, 3)
    assert load_pipeline(write(tmp_path, text)).recipes()["xsimgcl"].training.epochs == 9, "nothing is kept from before"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgl"',
            r"small\.toml:11: experiments\.0\.recipe: no recipe 'xsimgl'; did you mean 'xsimgcl'",
        ),
        ('use = "synthetic"', 'use = "sintetic"', r"small\.toml:\d+: ingest\.source: no 'sintetic' .*did you mean 'synthetic'"),
        ('use = "synthetic"', 'use = "synthetic"\nuserz = 3', r"userz.*did you mean 'users'"),
        ('use = "time"', 'use = "tine"', r"small\.toml:\d+: prepare\.split: no 'tine'.*did you mean 'time'"),
        ("[prepare]", "[prepares]", r"small\.toml:7: prepares: unknown key; did you mean 'prepare'"),
        ('name = "small"', 'name = "small"\nseed = -1', r"seed: .*greater than or equal to 0"),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\nset.encoder.dims = 3',
            r"xsimgcl\.toml:\d+: encoder\.dims.*did you mean 'dim'",
        ),
        ('recipe = "xsimgcl"', 'recipe = "xsimgcl"\nset.encoder.layers = "two"', r"encoder\.layers: .*integer.*'two'"),
        ('recipe = "xsimgcl"', 'recipe = "xsimgcl"\nset.objectives.contrast.temperature = 0', r"temperature"),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\nset.objectives.contrast.between = "views"',
            r"contrast: .*reads 2 views.*declares 0",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\nset.training.select = "ndgc@20"',
            r"'ndgc@20' is not measured; did you mean 'ndcg@20'",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[evaluation]\nmetrics = ["ndcg", "ndcg_s100"]\n[registry]\nmetric = "ndcg_s100@20"',
            r"small\.toml:\d+: registry\.metric: 'ndcg_s100@20' is measured among sampled negatives, which is biased",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[evaluation]\nmetrics = ["ndcg", "gini"]\n[promotion]\nmetric = "gini@20"',
            r"small\.toml:\d+: promotion\.metric: 'gini@20' is nothing to choose by: less of it is better",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[evaluation]\nmetrics = ["ndcg", "calibration"]\n[registry]\nmetric = "calibration@20"',
            r"registry\.metric: 'calibration@20' is nothing to choose by: less of it is better",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\nset.training.select = "novelty@20"\n[evaluation]\nmetrics = ["ndcg", "novelty"]',
            r"training\.select of 'xsimgcl': 'novelty@20' is nothing to choose by: it is undecided whether more of it is better",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[evaluation]\nmetrics = ["ndcg", "gini"]\n[tune]\nmetric = "gini@10"',
            r"tune\.metric: 'gini@10' is nothing to choose by",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[evaluation]\nmetrics = ["ndcg", "gini"]\n[protocols]\nmetric = "gini@10"',
            r"protocols\.metric: 'gini@10' is nothing to choose by",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[registry]\nmetric = "coverage@20"',
            r"registry\.metric: 'coverage@20' is one number of all lists together",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[promotion]\nmetric = "coverage@20"',
            r"promotion\.metric: 'coverage@20' is one number of all lists together",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[evaluation]\nshots = [0, 1]',
            r"small\.toml:\d+: evaluation\.shots: the split 'time' holds no strangers out; prepare\.split = \"user_cold\" does",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[registry]\nmodel = "shop/v2"',
            r"registry\.model: MLflow registers no model whose name has a '/'",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[registry]\nexperiment = "xsim"',
            r"registry\.experiment: no experiment 'xsim'",
        ),
        (
            'recipe = "xsimgcl"',
            'recipe = "xsimgcl"\n[[experiments]]\nrecipe = "xsimgcl"',
            r"small\.toml:\d+: experiments\.1: 'xsimgcl' is there twice",
        ),
    ],
)
def test_a_mistake_is_refused_by_key_with_the_nearest_valid_choice(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in PIPELINE
    with pytest.raises(Refused, match=message):
        _use(load_pipeline(write(tmp_path, PIPELINE.replace(old, new))))


def test_other_depths_alone_can_be_asked_for(tmp_path: Path) -> None:
    changes = ("evaluation.ks=[5]", "registry.metric=ndcg@5", "override.training.select=ndcg@5")
    recipes = load_pipeline(write(tmp_path, PIPELINE), changes).recipes()
    assert {recipe.training.select for recipe in recipes.values()} == {"ndcg@5"}


def _use(pipeline: object) -> None:
    """What the source refuses, it refuses when it is made: before it reads."""
    from recsys_cl.stages.ingest import IngestStage

    IngestStage(pipeline.ingest).outside()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", recipe_names())
def test_settings_that_decide_a_result_leave_out_titles_and_provenance(name: str) -> None:
    recipe = load_recipe(name)
    again = recipe.model_copy(update={"title": "another title"})
    assert recipe.settings() == again.settings()
    assert "encoder" in recipe.settings()


@pytest.mark.parametrize("path", sorted((Path(__file__).parent.parent / "pipelines").glob("*.toml")), ids=lambda p: p.stem)
def test_every_pipeline_that_comes_along_is_valid(path: Path) -> None:
    assert load_pipeline(path).name == path.stem


def test_a_sampled_metric_comes_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_pipeline(write(tmp_path, PIPELINE + '[evaluation]\nmetrics = ["ndcg", "recall_s100"]\n'))
    assert ["'recall_s100@10'" in record.getMessage() for record in caplog.records] == [True, False]
    assert "compare it only with papers that did the same" in caplog.text
