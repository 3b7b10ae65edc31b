"""The split that came with the data, from the log's own ``part`` column, so that papers' numbers can be met."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.preparing.coded_log import PARTS, TEST, TRAIN, VALID, CodedLog
from recsys_cl.ingest.preparing.lottery import draw
from recsys_cl.ingest.preparing.recency import check_fraction, from_last, lengths, share


class Published:
    """Use the parts as published. Where there is no valid, hold out ``valid`` of each user's train by ``seed``."""

    order = "none"

    def __init__(self, valid: float = 0.1, *, seed: int = 0) -> None:
        self.valid, self.seed = check_fraction(valid, "prepare.split.valid"), seed

    def __call__(self, log: CodedLog) -> NDArray[np.int8]:
        """Parts [N]. Refuses a log without the column, or with other words in it."""
        if log.parts is None:
            raise Refused("prepare.split: the log has no column 'part', so there is no published split to use")
        if bool((log.parts < 0).any()):
            raise Refused(f"prepare.split: the column 'part' must say one of {', '.join(PARTS)} in every row")
        parts = log.parts.copy()
        if not bool((parts == VALID).any()):
            (train,) = np.nonzero(parts == TRAIN)
            part = log.select(parts == TRAIN)
            held = from_last(part.users, draw(part, self.seed, "published")) < share(lengths(part.users), self.valid)
            parts[train[held]] = VALID
        if not bool((parts == TEST).any()):
            raise Refused("prepare.split: the column 'part' says 'test' nowhere")
        return parts
