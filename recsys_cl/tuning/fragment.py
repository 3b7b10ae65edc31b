"""What was found, as TOML to be pasted below an experiment's ``recipe`` or read by ``tuned``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recsys_cl.tuning.space import leaves


def fragment(comment: str, trials: int, change: Mapping[str, Any]) -> str:
    """``trials = N`` and ``change`` as lines ``set.TABLE.KEY = value`` under a comment."""
    lines = [*(f"# {line}" for line in comment.splitlines()), f"trials = {trials}"]
    # TOML writes text, numbers, true and false as JSON does.
    values = [f"set.{key} = {json.dumps(value, allow_nan=False)}" for key, value in leaves(change)]
    return "\n".join([*lines, *values]) + "\n"
