"""Whole users are held out, and the seed alone says who; of all others the end of the history is."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.preparing.coded_log import TEST, TRAIN, VALID
from recsys_cl.ingest.splits.user_cold import UserCold
from tests.ingest.coded import coded

ROWS = [(user, (user * 7 + step) % 50, step) for user in range(40) for step in range(9)]


def test_a_share_of_the_users_is_in_no_other_part() -> None:
    log = coded(ROWS)
    parts = UserCold(0.25, seed=4)(log)
    cold = {user for user in range(40) if set(parts[log.users == user].tolist()) == {TEST}}
    assert len(cold) == 10
    assert cold.isdisjoint(log.users[parts != TEST].tolist())
    for user in set(range(40)) - cold:
        assert parts[log.users == user].tolist() == [TRAIN] * 7 + [VALID, TEST]


def test_the_seed_decides() -> None:
    log = coded(ROWS)
    one, again, other = (UserCold(seed=seed)(log) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()
    assert set(np.unique(one).tolist()) == {TRAIN, VALID, TEST}


def test_a_share_that_leaves_nobody_to_train_on_is_refused() -> None:
    with pytest.raises(Refused, match="of 1 users, 1 cannot be held out"):
        UserCold()(coded([(0, 0, 1), (0, 1, 2)]))
    with pytest.raises(Refused, match=r"prepare\.split\.users"):
        UserCold(users=1.0)
