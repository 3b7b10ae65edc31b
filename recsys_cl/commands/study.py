"""A command that looks at a whole pipeline from more sides than one: what it takes, and how it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from recsys_cl.commands.options import AsJson, Assignments, DataDir, PipelineFile, TrackingUri
from recsys_cl.core.spinning import spin_briefly_beside_others

if TYPE_CHECKING:
    from recsys_cl.console import Console


class Finding(Protocol):
    """What a study finds."""

    def as_json(self) -> dict[str, Any]:
        """The machine's view."""


def study(work: Callable[[], Callable[..., Finding]], show: Callable[[Console, Any], None], claim: str) -> Callable[..., None]:
    """The function of a command.

    Args:
        work: imports and answers with ``(pipeline, assignments, data_dir, tracking_uri, watch, tell) -> finding``.
        show: prints the finding for people.
        claim: what the command does, for its help.
    """

    def command(
        pipeline: PipelineFile,
        set_: Assignments = None,
        data_dir: DataDir = Path("data"),
        tracking_uri: TrackingUri = None,
        as_json: AsJson = False,
    ) -> None:
        spin_briefly_beside_others()
        from recsys_cl.console import Console

        console = Console()
        found = work()(pipeline, tuple(set_ or ()), data_dir, tracking_uri, console.watch, console.tell)
        show(console, found)
        if as_json:
            print(json.dumps(found.as_json(), allow_nan=False))

    command.__doc__ = claim
    return command
