"""Every pipeline of a folder as Dagster's definitions; one that cannot be used is told before anything waits for it."""

from pathlib import Path

import dagster

from recsys_cl.core.errors import Refused
from recsys_cl.orchestration.adapter import scheduled


def definitions(folder: Path, data_dir: Path, tracking_uri: str | None = None) -> dagster.Definitions:
    """Assets, checks, jobs and schedules of every ``*.toml`` in ``folder``.

    Raises:
        Refused: there is none, or a pipeline cannot be used; the message has all of these.
    """
    found, problems = [], []
    for path in sorted(folder.glob("*.toml")):
        try:
            found.append(scheduled(path, data_dir, tracking_uri))
        except Refused as problem:
            problems.append(str(problem))
    if problems or not found:
        raise Refused("\n".join(problems) or f"{folder}: no pipeline (*.toml) is there")
    return dagster.Definitions(
        assets=[asset for one in found for asset in one.assets],
        jobs=[job for one in found for job in one.jobs],
        schedules=[schedule for one in found for schedule in one.schedules],
        resources={key: value for one in found for key, value in one.resources.items()},
    )
