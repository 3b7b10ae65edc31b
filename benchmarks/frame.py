"""The numbers the README quotes: ``python -m benchmarks.frame [NAME ...]`` measures, prints and writes ``results/*.json``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, Measured, command, keep

REAL = Path(os.environ.get("RECSYS_CL_REAL_DATA", ROOT / ".." / "shared" / "data"))


def demo(folder: Path) -> None:
    """The built-in pipeline, twice: made, then found up to date."""
    first, second = (_run("demo", folder) for _ in range(2))
    skipped = all(stage["status"] == "skipped" for stage in second.answer["stages"])
    keep("demo", {**_cost(first), "second_seconds": round(second.seconds, 1), "second_all_skipped": skipped, **_table(first)})


def ml_100k(folder: Path) -> None:
    """Four recipes and the baselines on MovieLens 100K, global time split."""
    measured = _run("ml-100k", folder)
    keep("ml-100k", {**_cost(measured), **_table(measured)})


def gowalla(folder: Path) -> None:
    """XSimGCL on the published split: epochs chosen on validation, refit, test."""
    measured = _run("gowalla", folder)
    keep("gowalla", {**_cost(measured), **_table(measured)})


def gowalla_fast(folder: Path) -> None:
    """As good as two cores can from a cold start in a minute and a half: logs in, report and registered model out."""
    measured = _run("gowalla-fast", folder)
    keep("gowalla-fast", {**_cost(measured), "asked": {"seconds": 90, "recall@20": 0.183}, **_table(measured)})


def gowalla_baselines(folder: Path) -> None:
    """The same beside every strong baseline, each with intervals against the best of them; EASE alone takes 7 GB."""
    measured = _run("gowalla-baselines", folder)
    keep("gowalla-baselines", {**_cost(measured), **_table(measured)})


def beauty(folder: Path) -> None:
    """SASRec with softmax, leave last out, full ranking of what was not met before."""
    measured = _run("beauty", folder)
    keep("beauty", {**_cost(measured), **_table(measured)})


BENCHMARKS: dict[str, Callable[[Path], None]] = {
    "demo": demo,
    "ml-100k": ml_100k,
    "gowalla": gowalla,
    "gowalla-fast": gowalla_fast,
    "gowalla-baselines": gowalla_baselines,
    "beauty": beauty,
}


def _run(pipeline: str, folder: Path) -> Measured:
    return command("run", f"pipelines/{pipeline}.toml", "--data-dir", str(folder / "data"), folder=folder)


def _cost(measured: Measured) -> dict[str, Any]:
    return {
        "command": measured.command.split(" --data-dir")[0],
        "seconds": round(measured.seconds, 1),
        "peak_mib": round(measured.peak_mib),
        "stages": {stage["name"]: stage["seconds"] for stage in measured.answer["stages"]},
    }


def _table(measured: Measured) -> dict[str, Any]:
    """Test figures by recipe; every choice was made on validation. ``data`` holds the digests of what was trained on."""
    rows = measured.answer["experiments"]
    report = json.loads(Path(measured.answer["report"]).with_name("report.json").read_text("utf-8"))
    return {
        "selection": "validation",
        "headline": report["headline"],
        "data": {name: digest for name, digest in report["facts"].items() if "sha256" in name},
        "experiments": {r["recipe"]: {k: r[k] for k in ("epochs", "train_seconds", "valid", "test")} for r in rows},
    }


def main(names: list[str]) -> None:
    """Measure the named benchmarks, or all; those whose data is absent are left out, saying so."""
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        raise SystemExit(f"no benchmark {sorted(unknown)}; valid: {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        folder_of = REAL / name.removesuffix("-baselines").removesuffix("-fast")
        if name != "demo" and not folder_of.is_dir():
            print(f"{name}: left out, {folder_of} is absent (set RECSYS_CL_REAL_DATA)")
            continue
        with tempfile.TemporaryDirectory() as folder:
            BENCHMARKS[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
