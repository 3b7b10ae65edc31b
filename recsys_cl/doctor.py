"""Is this machine fit to run? Versions against safe floors, device, threads, memory, disk, stores."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

FLOORS = {
    "torch": ("2.10", "older ones have known memory corruption in weight loading (CVE-2026-24747)"),
    "mlflow": ("3.17.2", "older ones run code from model files (CVE-2026-96804)"),
    "pyarrow": ("14.0.1", "older ones run code from Parquet files (CVE-2023-47248)"),
    "pandas": ("2.2", "not tested with older ones"),
    "scikit-learn": ("1.5", "not tested with older ones"),
    "ibis-framework": ("10", "not tested with older ones"),
    "duckdb": ("1.1", "not tested with older ones"),
}
SAFE_TAR = {(3, 11): 13, (3, 12): 11, (3, 13): 4}
"""First Python patch level whose tar extraction filter holds (CVE-2025-4517)."""

_CHOOSE = "check --tracking-uri or MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    level: Literal["ok", "warning", "error"]
    what: str
    found: str
    advice: str = ""


def examine(data_dir: Path, tracking_uri: str | None) -> list[Finding]:
    """Everything worth knowing before a run; an ``error`` means that runs will fail."""
    return [
        _python(),
        *_packages(),
        _device(),
        _memory(),
        _disk(data_dir),
        _writable(data_dir, "data folder", "choose another with --data-dir"),
        _store(tracking_uri),
    ]


def _python() -> Finding:
    found = platform.python_version()
    safe = SAFE_TAR.get(sys.version_info[:2], 0)
    if sys.version_info.micro < safe:
        return Finding(
            "warning", "python", found, f"{found.rsplit('.', 1)[0]}.{safe} extracts archives more safely (CVE-2025-4517)"
        )
    return Finding("ok", "python", found)


def _packages() -> Iterator[Finding]:
    from packaging.version import Version

    for name, (floor, reason) in FLOORS.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding("warning", name, "not installed", "some stages need it")
            continue
        low = Version(found) < Version(floor)
        yield Finding("error" if low else "ok", name, found, f"needs >= {floor}: {reason}" if low else "")


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        free, total = (size / 2**30 for size in torch.cuda.mem_get_info(0))
        return Finding("ok", "device", f"{torch.cuda.get_device_name(0)}, {free:.1f} of {total:.1f} GiB free")
    return Finding("ok", "device", f"cpu, {torch.get_num_threads()} threads of {os.cpu_count()} cores")


def _memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available / 2**30
    low = free < 2
    return Finding(
        "warning" if low else "ok", "memory", f"{free:.1f} GiB available", "2 GiB are needed for the demo" if low else ""
    )


def _disk(folder: Path) -> Finding:
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free / 2**30
    low = free < 1
    return Finding("error" if low else "ok", "disk", f"{free:.1f} GiB free at {there}", "make room" if low else "")


def _writable(folder: Path, what: str, advice: str) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return Finding("ok", what, f"{folder} can be written")
    except OSError as error:
        return Finding("error", what, f"{folder}: {error.strerror}", advice)


def _store(tracking_uri: str | None) -> Finding:
    """Asked something it must know; a SQLite file that is not there yet is not made by looking, its folder is."""
    from recsys_cl.core.errors import RecsysError
    from recsys_cl.core.mlflow import address, sqlite_path
    from recsys_cl.tracking.store import open_store

    path = sqlite_path(address(Path(), tracking_uri))
    if path is not None and not path.exists():
        return _writable(path.parent, "tracking store", _CHOOSE)
    try:
        store = open_store(Path(), tracking_uri)
        with store.explained():
            store.client.search_experiments(max_results=1)
    except RecsysError as error:
        return Finding("error", "tracking store", str(error), _CHOOSE)
    return Finding("ok", "tracking store", f"{store.name} answers")
