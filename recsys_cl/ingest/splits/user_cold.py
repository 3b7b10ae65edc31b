"""Whole users are held out, drawn by a seed: what can be had for people of whom nothing was known in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.preparing.coded_log import TEST, CodedLog
from recsys_cl.ingest.preparing.lottery import draw_numbers
from recsys_cl.ingest.preparing.recency import check_fraction
from recsys_cl.ingest.splits.leave_last_out import LeaveLastOut


class UserCold:
    """All interactions of a share ``users`` of the users are test; of all others the last is, and the one before is valid.

    The share is rounded down, to one user at least. Who it is is drawn by ``seed``, independent of the order of rows. They are
    in no vocabulary; the test part says who is who (``stranger``), so that ``[evaluation] shots`` can ask about them.
    """

    order = "user"
    strangers = True

    def __init__(self, users: float = 0.2, *, seed: int = 0) -> None:
        check_fraction(users, "prepare.split.users")
        self.users, self.seed = users, seed

    def __call__(self, log: CodedLog) -> NDArray[np.int8]:
        """Parts [N].

        Raises:
            Refused: there is only one user.
        """
        users = np.unique(log.users)
        cold = max(1, int(np.floor(len(users) * self.users + 1e-9)))
        if len(users) <= cold:
            raise Refused(f"prepare.split: of {len(users)} users, {cold} cannot be held out")
        order = users[np.argsort(draw_numbers(users.astype(np.uint64), self.seed, "user_cold"), kind="stable")]
        parts = LeaveLastOut()(log)
        parts[np.isin(log.users, order[:cold])] = TEST
        return parts
