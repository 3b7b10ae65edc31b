"""A claim about two runs, such as ``ndcg@10 > 0 at 95%``: it holds only if the whole interval agrees."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused

if TYPE_CHECKING:
    from recsys_cl.evaluation.compare import Interval

_FORM = re.compile(
    r"\s*(?P<metric>[^\s<>]+)\s*(?P<sign>[<>])\s*(?P<bound>[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)\s*(?P<relative>%?)"
    r"\s+at\s+(?P<level>\d+(\.\d+)?)\s*%\s*",
    re.IGNORECASE,
)
_LEVELS = (50.0, 99.9)


@dataclass(frozen=True, slots=True)
class Requirement:
    """``METRIC > BOUND at LEVEL%`` of the mean difference between two runs; ``BOUND%`` is in percent of the second's mean."""

    text: str
    metric: str
    above: bool  # ``>``; else ``<``
    bound: float
    relative: bool
    level: float  # of the interval, between 0 and 1

    def judge(self, differences: NDArray[np.float64], found: Interval, against: float) -> dict[str, Any]:
        """Whether it holds, and on what grounds.

        Few users, or few that differ, prove nothing: then it does not hold, and ``reliable`` is false.

        Args:
            differences: of each user [U].
            found: their mean with an interval of the level asked for.
            against: the mean of what was subtracted.
        """
        from recsys_cl.evaluation.compare import beyond, reliable

        bound = self.bound / 100 * against if self.relative else self.bound
        return {
            "requirement": self.text,
            "metric": self.metric,
            "difference": found.mean,
            "interval": [found.low, found.high],
            "confidence": self.level,
            "bound": bound,
            "users": len(differences),
            "decided": int(np.count_nonzero(differences)),
            "reliable": reliable(differences),
            "holds": beyond(differences, found, bound, above=self.above),
        }


def parse_requirement(text: str) -> Requirement:
    """Read ``ndcg@10 > 0 at 95%`` or ``recall@20 > -1% at 99%``.

    Raises:
        Refused: it is written otherwise, or the level is not between 50 and 99.9.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise Refused(
            f"--require '{text}': write METRIC > NUMBER at LEVEL%, e.g. 'ndcg@10 > 0 at 95%' or 'recall@20 > -1% at 99%'"
        )
    level = float(found["level"])
    if not _LEVELS[0] <= level <= _LEVELS[1]:
        raise Refused(f"--require '{text}': a level lies between {_LEVELS[0]:g}% and {_LEVELS[1]:g}%, not {level:g}%")
    return Requirement(text, found["metric"], found["sign"] == ">", float(found["bound"]), bool(found["relative"]), level / 100)
