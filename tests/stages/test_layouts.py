"""A stage whose result is laid out otherwise has another version: what an older one left is made again, not mistaken for it.

`layouts.json` has, for each stage, the version and the layout it was written with: files, columns, keys, tensors. After raising
a stage's version, `RECSYS_CL_KEEP_LAYOUTS=1 pytest tests/stages/test_layouts.py` writes it anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from safetensors import safe_open

from recsys_cl.core.errors import Refused
from recsys_cl.stages.pipeline import plan_of, run_pipeline
from recsys_cl.stages.store import RECEIPT
from tests.stages.small import write

KEPT = Path(__file__).with_name("layouts.json")
PIPELINE = """
name = "small"
[ingest.source]
use = "csv"
path = "log.csv"
items = "items.csv"
[prepare]
split = { use = "leave_last_out" }
[promotion]
automatic = true
[evaluation]
ks = [20]
[[experiments]]
recipe = "mf-bpr"
set.training = { epochs = 1, refit = false }
set.encoder.dim = 4
"""


def layout(path: Path) -> Any:
    """Files by name, columns by type, keys and tensors: all but the values. Names that hold a number count once."""
    if path.is_dir():
        return {each.name: layout(each) for each in sorted(path.iterdir())}
    if path.suffix == ".parquet":
        return {field.name: str(field.type) for field in parquet.read_schema(path)}
    if path.suffix == ".safetensors":
        with safe_open(path, "np") as tensors:
            return sorted(tensors.keys())
    if path.suffix in (".html", ".md", ".jsonl", ".txt", ".py", ".yaml") or path.name == "MLmodel":
        return "text"
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError:
        return "text"
    return sorted(value) if isinstance(value, dict) else type(value).__name__


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    home = write(tmp_path_factory.mktemp("layouts"), PIPELINE)
    rows = [f"u{u},i{(u * 3 + n) % 11},{1_600_000_000 + 86_400 * n}" for u in range(12) for n in range(6)]
    (home / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]))
    (home / "items.csv").write_text("\n".join(["item_id,title,brand", *(f"i{n},Title {n},b{n % 2}" for n in range(11))]))
    uri = f"sqlite:///{home}/mlruns/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        run_pipeline(home / "small.toml", (), home / "data", uri, lambda *_: None)
        versions = {stage.name: stage.version for stage in plan_of(home / "small.toml", (), home / "data", uri).stages}
    layouts: dict[str, dict[str, Any]] = {}
    for receipt in sorted((home / "data" / "small").glob(f"[!.]*/*/{RECEIPT}")):
        stage = json.loads(receipt.read_text("utf-8"))["stage"]
        parts = {each.name: layout(each) for each in sorted(receipt.parent.iterdir()) if each.name != RECEIPT}
        layouts[stage] = {"version": versions[stage], "layout": parts}
    [bundle] = (home / "mlruns").glob("artifacts/small/models/*/artifacts/artifacts/bundle")
    layouts["register"]["layout"]["bundle"] = layout(bundle)
    return layouts


@pytest.mark.slow
def test_another_layout_is_another_version(found: dict[str, dict[str, Any]]) -> None:
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    if os.environ.get("RECSYS_CL_KEEP_LAYOUTS"):
        same = [stage for stage in found if stage in kept and kept[stage]["version"] == found[stage]["version"]]
        stale = [stage for stage in same if kept[stage]["layout"] != found[stage]["layout"]]
        if stale:
            raise Refused(f"raise the version of {', '.join(stale)} first")
        KEPT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
        kept = found
    assert found.keys() == kept.keys()
    for stage, now in found.items():
        newer = now["version"] > kept[stage]["version"]
        assert newer or now == kept[stage], f"{stage}: raise its version, then keep the new layout (see above)"
