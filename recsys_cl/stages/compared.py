"""The recipes under several protocols: ranks, means and agreement, for machines and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_cl.core.settings import Component
from recsys_cl.evaluation.agreement import kendall, ranks


@dataclass(frozen=True, slots=True)
class Window:
    """The recipes on one split; a rolling protocol has several, all others one."""

    split: Component
    users: int  # with something in the test part
    means: Mapping[str, float]  # by recipe


@dataclass(frozen=True, slots=True)
class Measured:
    """The recipes under one protocol."""

    name: str
    split: Component
    windows: tuple[Window, ...]

    @property
    def means(self) -> dict[str, float]:
        """By recipe, the mean over the windows."""
        return {name: sum(w.means[name] for w in self.windows) / len(self.windows) for name in self.windows[0].means}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing protocols has to say."""

    pipeline: str
    metric: str
    measured: tuple[Measured, ...]
    refused: Mapping[str, str]  # protocol -> why the data cannot carry it
    folder: Path

    def as_json(self) -> dict[str, Any]:
        """The machine's view; rows are protocols, columns are recipes."""
        means = [list(each.means.values()) for each in self.measured]
        return {
            "pipeline": self.pipeline,
            "metric": self.metric,
            "protocols": [
                {
                    "name": each.name,
                    "split": each.split.model_dump(mode="json"),
                    "windows": [
                        {"split": w.split.model_dump(mode="json"), "users": w.users, "means": list(w.means.values())}
                        for w in each.windows
                    ],
                }
                for each in self.measured
            ],
            "recipes": list(self.measured[0].means),
            "means": means,
            "ranks": [ranks(row) for row in means],
            "tau": kendall(means),
            "refused": [{"name": name, "reason": reason} for name, reason in self.refused.items()],
        }


def markdown(compared: Mapping[str, Any]) -> str:
    """`Comparison.as_json` for people: ranks with means, Kendall's tau, and what was left out."""
    names = [each["name"] for each in compared["protocols"]]
    cells = [
        [f"{rank} ({mean:.4f})" for rank, mean in zip(*rows, strict=True)]
        for rows in zip(compared["ranks"], compared["means"], strict=True)
    ]
    columns = [[row[place] for row in cells] for place in range(len(compared["recipes"]))]
    taus = [["-" if tau is None else f"{tau:.2f}" for tau in row] for row in compared["tau"]]
    lines = [f"Rank and mean {compared['metric']} on the test part of each protocol:", ""]
    lines += _grid("recipe", names, compared["recipes"], columns)
    lines += ["", "Kendall's tau between protocols (1: the same order of recipes):", ""]
    lines += _grid("", names, names, taus)
    left_out = [f"- `{each['name']}`: {each['reason']}" for each in compared["refused"]]
    return "\n".join([*lines, *(["", "Left out:", "", *left_out] if left_out else [])]) + "\n"


def _grid(corner: str, heads: Sequence[str], sides: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [[corner, *heads], ["---"] * (len(heads) + 1), *([side, *row] for side, row in zip(sides, rows, strict=True))]
    return ["| " + " | ".join(line) + " |" for line in lines]
