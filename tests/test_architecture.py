"""The house rules that a reader relies on: one component a file, small functions, no implementation inheritance."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "recsys_cl"
SLOTS = {
    "structures": "inference",
    "views": "__call__",
    "encoders": "__call__",
    "objectives": "__call__",
    "samplers": "__call__",
    "methods": "losses",
    "evaluation/metrics": "__call__",
    "ingest/sources": "read",
    "ingest/splits": "__call__",
    "ingest/features": "__call__",
    "tuning/ranges": "__call__",
}
COMPONENTS = sorted(p for slot in SLOTS for p in (PACKAGE / slot).glob("*.py") if not p.name.startswith("_"))
SOURCES = sorted(PACKAGE.rglob("*.py"))
# What has nothing of ours to inherit; Mapping is an interface of the standard library.
BASES = {
    "Mapping",
    "Module",
    "NamedTuple",
    "Protocol",
    "Generic",
    "BaseModel",
    "Settings",
    "Exception",
    "Function",
    "PythonModel",
}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _base(node: ast.expr) -> str:
    node = node.value if isinstance(node, ast.Subscript) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "?")


@pytest.mark.parametrize("path", COMPONENTS, ids=_name)
def test_a_component_file_holds_one_component_and_is_exercised(path: Path) -> None:
    slot = str(path.parent.relative_to(PACKAGE))
    module = f"recsys_cl.{slot.replace('/', '.')}.{path.stem}"
    tests = "\n".join(p.read_text("utf-8") for p in (ROOT / "tests").rglob("*.py"))
    tomls = "\n".join(
        p.read_text("utf-8") for folder in (ROOT / "pipelines", PACKAGE / "recipes") for p in folder.glob("*.toml")
    )
    assert len(path.read_text("utf-8").splitlines()) <= 160
    assert module in tests or f'"{path.stem}"' in tests, f"{module} is imported in no test"
    listed_by_name = slot == "evaluation/metrics"  # the settings' default list names every metric
    assert listed_by_name or f'"{path.stem}"' in tomls or f'"{path.stem}"' in tests, f"{path.stem} is used nowhere"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_is_documented_and_its_functions_fit_a_screen(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "a module says what it is"
    assert len(path.read_text("utf-8").splitlines()) <= 300
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1})"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > 60
    ]
    assert not long, f"functions over 60 lines: {long}"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_nothing_inherits_an_implementation(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            foreign = {_base(base) for base in node.bases} - BASES
            errors = {name for name in foreign if path.name == "errors.py"}
            assert foreign == errors, f"{node.name} inherits from {foreign}"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_nothing_unsafe_is_called(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {
                "eval",
                "exec",
                "pickle.load",
                "pickle.loads",
                "torch.load",
                "torch.save",
                "joblib.load",
            }


def test_import_is_instant_and_training_needs_neither_mlflow_nor_an_engine() -> None:
    script = (
        "import sys, recsys_cl\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules\n"
        "import recsys_cl.cli\n"
        "assert 'torch' not in sys.modules and 'mlflow' not in sys.modules, 'the command line must start instantly'\n"
        "import recsys_cl.core.protocols, recsys_cl.core.values\n"
        "import recsys_cl.stages.ingest, recsys_cl.ingest.preparing.preparation, recsys_cl.ingest.sources.synthetic\n"
        "import recsys_cl.stages.prepare, recsys_cl.ingest.preparing.data_report, recsys_cl.ingest.preparing.vocabulary\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules, 'ingestion must start instantly'\n"
        "import recsys_cl.training.loop, recsys_cl.methods.contrastive, recsys_cl.evaluation.judge\n"
        "import recsys_cl.stages.train, recsys_cl.stages.evaluate\n"
        "heavy = {'mlflow', 'ibis', 'duckdb', 'dagster', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_every_recipe_is_valid_and_says_where_it_comes_from() -> None:
    from recsys_cl.config import load_recipe, recipe_names

    assert len(recipe_names()) >= 10
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.title
        assert recipe.provenance.paper
        assert resources.files("recsys_cl.recipes").joinpath(f"{name}.toml").is_file()
