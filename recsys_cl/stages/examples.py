"""A few users to look at: what they met, what was held out, and what each experiment puts first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from recsys_cl.reporting.evidence import Example

DEPTH = 10
"""Items shown of each list."""


def examples(reads: Mapping[str, Path], evaluations: Mapping[str, Path], texts: list[str], count: int) -> list[Example]:
    """The same users for every experiment: evenly spaced among those evaluated. None where lists were not kept.

    Held-out items are the recommended ones that were hits and nothing more: the test part itself is not opened here.
    """
    import pandas as pd

    from recsys_cl.ingest.dataset import load_interactions, load_shape, load_users
    from recsys_cl.reporting.evidence import Example

    kept = {name: folder / "recommendations.parquet" for name, folder in evaluations.items()}
    lists = {name: pd.read_parquet(path) for name, path in kept.items() if path.is_file()}
    if not lists or not {"train", "valid"} <= reads.keys():
        return []
    shape = load_shape(reads["vocabulary"])
    names = load_users(reads["vocabulary"])["user_id"].to_list()
    known = load_interactions(reads["train"], shape).then(load_interactions(reads["valid"], shape)).by_user()
    evaluated = next(iter(lists.values()))["user"].unique()
    chosen = evaluated[:: max(1, len(evaluated) // count)][:count]
    return [
        Example(
            user=str(names[user]),
            met=[texts[i] for i in reversed(known.row(int(user))[-DEPTH:].tolist())],
            tops={name: _top(frame, int(user), texts) for name, frame in lists.items()},
        )
        for user in chosen
    ]


def _top(frame: pd.DataFrame, user: int, texts: list[str]) -> list[tuple[str, bool]]:
    rows = frame[frame["user"] == user].sort_values("rank").head(DEPTH)
    hits = rows["hit"] if "hit" in rows else [False] * len(rows)
    return [(texts[int(item)], bool(hit)) for item, hit in zip(rows["item"], hits, strict=True)]


def texts_of(items: pd.DataFrame) -> list[str]:
    """What to call an item: its title where there is one, or its id."""
    if "title" not in items:
        return [str(i) for i in items["item_id"]]
    return [str(t) if isinstance(t, str) and t else str(i) for t, i in zip(items["title"], items["item_id"], strict=True)]
