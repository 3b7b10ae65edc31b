"""A report of what was logged: MLflow runs, evaluation folders, or both, without their pipeline."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from recsys_cl.core.errors import Refused
from recsys_cl.stages.gathering import Sources, gather
from recsys_cl.stages.lineage import lineage
from recsys_cl.stages.report import write_report

if TYPE_CHECKING:
    from recsys_cl.reporting.evidence import Evidence, Trial


@dataclass(frozen=True, slots=True)
class Found:
    """One evaluation, and what is known around it."""

    name: str
    title: str
    evaluation: Path
    model: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    earlier: Mapping[str, Any] = field(default_factory=dict)  # report.json of the run's own report


def report_logged(arguments: Sequence[str], out: Path, metric: str, tracking_uri: str | None) -> Path:
    """Write the report's files into ``out``; the page's path.

    Args:
        arguments: run ids (a parent stands for its children) and evaluation folders.
        out: a folder; files of the same name in it are replaced.
        metric: what recipes are compared by.
        tracking_uri: the store of the runs; None: the usual one.

    Raises:
        Refused: an argument is neither, or they do not stand on the same data.
    """
    with TemporaryDirectory() as scratch:
        found = [one for argument in arguments for one in _found(argument, Path(scratch), tracking_uri)]
        named = dict(zip(_names([one.name for one in found]), found, strict=True))
        sources = Sources(
            {name: one.evaluation for name, one in named.items()},
            {name: one.model for name, one in named.items() if one.model},
            next((one.files for one in found if one.files), {}),
        )
        title = ", ".join(dict.fromkeys(one.title for one in found))
        command = shlex.join(["recsys-cl", "report", *arguments, "--metric", metric, "--out", str(out)])
        evidence = completed(gather(sources, title, metric, commands=(command,)), named)
        write_report(evidence, out)
    return out / "index.html"


def completed(evidence: Evidence, named: Mapping[str, Found]) -> Evidence:
    """What the runs' own reports say beyond their artifacts: lists and vectors are not logged, what was drawn of them is."""
    earlier = next((one.earlier for one in named.values() if one.earlier), {})
    own = {one.name: name for name, one in named.items()}
    fill: dict[str, Any] = {"trials": [_filled(trial, named[trial.name]) for trial in evidence.trials]}
    if not evidence.data:
        fill["data"] = earlier.get("data", {})
    if not evidence.examples:
        fill["examples"] = _examples(earlier.get("examples", ()), own)
    if not evidence.maps:
        fill["maps"] = _maps(earlier.get("maps", ()), own)
    fill |= {part: earlier.get(part) for part in ("audit", "protocols") if getattr(evidence, part) is None}
    return replace(evidence, **fill)


def _filled(trial: Trial, found: Found) -> Trial:
    said: Mapping[str, Any] = next((one for one in found.earlier.get("trials", ()) if one["name"] == found.name), {})
    lacking = [part for part in ("recall", "popularity", "segments", "representation", "searched") if not getattr(trial, part)]
    return replace(trial, **{part: said[part] for part in lacking if said.get(part) is not None})


def _examples(told: Iterable[Mapping[str, Any]], own: Mapping[str, str]) -> list[Any]:
    from recsys_cl.reporting.evidence import Example

    kept = [(x, {own[name]: [tuple(t) for t in top] for name, top in x["tops"].items() if name in own}) for x in told]
    return [Example(x["user"], x["met"], tops) for x, tops in kept if tops]


def _maps(told: Iterable[Mapping[str, Any]], own: Mapping[str, str]) -> list[Any]:
    from recsys_cl.reporting.evidence import ItemMap

    return [
        ItemMap(own[one["recipe"]], one["method"], one["note"], [tuple(p) for p in one["points"]])
        for one in told
        if one["recipe"] in own
    ]


def _found(argument: str, scratch: Path, tracking_uri: str | None) -> list[Found]:
    folder = Path(argument)
    if (folder / "metrics.json").is_file():
        return [_folder(folder.resolve())]
    if folder.exists() or "/" in argument:
        raise Refused(f"'{argument}': neither an evaluation folder (it would hold metrics.json) nor a run id")
    return _runs(argument, scratch, tracking_uri)


def _folder(folder: Path) -> Found:
    name, made = lineage(folder)
    model = made.get(f"model/{name}")
    wanted = ("train", "valid", "vocabulary", "data_report", "audit")
    files = {part: made[part] for part in wanted if part in made}
    home = folder.parent.parent.parent
    if made and (home / "protocols.json").is_file():
        files["protocols"] = home / "protocols.json"
    return Found(name, home.name if made else name, folder, model, files)


def _runs(run_id: str, scratch: Path, tracking_uri: str | None) -> list[Found]:
    from recsys_cl.tracking.evaluated import evaluated_runs, fetch
    from recsys_cl.tracking.store import open_known

    store = open_known(Path(), tracking_uri)
    found = []
    for run in evaluated_runs(store, run_id):
        evaluation, model, report = (fetch(store, run.id, part, scratch) for part in ("evaluation", "training", "report"))
        if evaluation is not None:
            path = report / "report.json" if report else None
            earlier = json.loads(path.read_text("utf-8")) if path and path.is_file() else {}
            found.append(Found(run.name, run.experiment, evaluation, model, earlier=earlier))
    return found


def _names(names: Sequence[str]) -> list[str]:
    """Each its own: of equal names, the second is called ``name (2)``."""
    return [name if (before := list(names[:i]).count(name)) == 0 else f"{name} ({before + 1})" for i, name in enumerate(names)]
