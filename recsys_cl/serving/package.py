"""A bundle becomes an MLflow model folder: models-from-code, signature, example, pinned requirements; nothing pickled."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from recsys_cl.core.version import VERSION
from recsys_cl.serving.answer import DEFAULT_K
from recsys_cl.serving.bundle import Bundle, write_bundle

BUNDLE = Path("artifacts") / "bundle"
"""Where the bundle lies in a model folder."""

_REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow", "pydantic", "safetensors", "torch")


def write_model(bundle: Bundle, folder: Path, model_id: str | None = None) -> None:
    """Write a folder that ``mlflow.pyfunc.load_model`` loads and ``mlflow models serve`` serves; it must not exist."""
    from mlflow import pyfunc
    from mlflow.models import Model

    from recsys_cl.serving import model

    with TemporaryDirectory(dir=folder.parent) as scratch:
        source = Path(scratch) / BUNDLE.name
        write_bundle(bundle, source)
        pyfunc.save_model(
            path=str(folder),
            python_model=str(Path(model.__file__)),
            artifacts={BUNDLE.name: str(source)},
            signature=signature(min(DEFAULT_K, len(bundle.item_ids))),
            input_example=_example(bundle),
            pip_requirements=requirements(),
            mlflow_model=Model(model_id=model_id) if model_id else None,
        )


def signature(k: int = DEFAULT_K) -> Any:
    """What goes in and out: ``user_id`` text or ``item_ids`` (a list) or both, and parameters; a row per user and rank."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    return ModelSignature(
        inputs=Schema([ColSpec("string", "user_id", required=False), ColSpec(Array("string"), "item_ids", required=False)]),
        outputs=Schema(
            [
                ColSpec("string", "user_id"),
                ColSpec("integer", "rank"),
                ColSpec("string", "item_id"),
                ColSpec("float", "score"),
                ColSpec("string", "source"),
                ColSpec("long", "row", required=False),
                ColSpec("integer", "unknown_items", required=False),
                ColSpec("integer", "steps", required=False),
            ]
        ),
        params=ParamSchema(
            [ParamSpec("k", "integer", k), ParamSpec("new_items", "string", ""), ParamSpec("steps", "integer", -1)]
        ),
    )


def requirements() -> list[str]:
    """Exactly the versions that this process has; local labels like ``+cpu`` are left to the installer."""
    return [*(f"{name}=={version(name).partition('+')[0]}" for name in _REQUIREMENTS), f"recsys_cl=={VERSION}"]


def _example(bundle: Bundle) -> Any:
    import pandas

    known = bundle.user_ids[:2]  # of a log of one user, one
    histories = [*(None for _ in known), bundle.item_index[:3].tolist()]
    people = pandas.DataFrame({"user_id": [*known, "someone new"], "item_ids": histories})
    return people, {"k": min(DEFAULT_K, len(bundle.item_ids))}
