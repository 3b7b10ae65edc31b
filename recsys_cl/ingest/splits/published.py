"""The split that came with the data, from the log's own ``part`` column, so that papers' numbers can be met."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.ingest.preparing.coded_log import PARTS, TEST, TRAIN, VALID, CodedLog
from recsys_cl.ingest.preparing.lottery import draw
from recsys_cl.ingest.preparing.recency import check_fraction, from_last, lengths, share


class Published:
    """Use the parts as published. Without a valid part, hold out ``valid`` of each user's train, by ``seed`` or ``newest``.

    The published Gowalla and Yelp2018 list interactions in an order in which popularity drifts towards that of the test part:
    what is drawn from all of a list is easier than the test, and its end is not.

    With ``event`` (and ``prepare.behaviours = true``) only pairs with an event of that type are held out: what test asks for.
    """

    order = "none"

    def __init__(self, valid: float = 0.1, *, seed: int = 0, event: str = "", newest: bool = False) -> None:
        self.valid, self.seed, self.event = check_fraction(valid, "prepare.split.valid"), seed, event
        self.newest = newest

    def __call__(self, log: CodedLog) -> NDArray[np.int8]:
        """Parts [N]. Refuses a log without the column, or with other words in it."""
        if log.parts is None:
            raise Refused("prepare.split: the log has no column 'part', so there is no published split to use")
        if bool((log.parts < 0).any()):
            raise Refused(f"prepare.split: the column 'part' must say one of {', '.join(PARTS)} in every row")
        if self.newest and bool((log.parts == VALID).any()):
            raise Refused(
                'prepare.split.newest: the log has a valid part of its own; leave that out (ingest.source.valid = "")'
            )
        parts = log.parts.copy()
        if not bool((parts == VALID).any()):
            chosen = parts == TRAIN
            if self.event:
                chosen &= self._with_event(log)
            (train,) = np.nonzero(chosen)
            part = log.select(chosen)
            place = from_last(part.users, None if self.newest else draw(part, self.seed, "published"))
            held = place < share(lengths(part.users), self.valid)
            parts[train[held]] = VALID
        if not bool((parts == TEST).any()):
            raise Refused("prepare.split: the column 'part' says 'test' nowhere")
        return parts

    def _with_event(self, log: CodedLog) -> NDArray[np.bool_]:
        """The interactions whose pair has an event of the type asked for."""
        if log.behaviours is None:
            raise Refused("prepare.split.event: types of event are kept with prepare.behaviours = true")
        found, names = log.behaviours, log.behaviours.names
        if self.event not in names:
            raise Refused(f"prepare.split.event: the log has no event '{self.event}'; {nearest(self.event, names)}")
        had = found.kinds == names.index(self.event)
        pairs = found.users[had].astype(np.int64) * len(log.item_ids) + found.items[had]
        return np.isin(log.pairs(), pairs)
