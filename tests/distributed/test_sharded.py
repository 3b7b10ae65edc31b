"""A table whose rows lie in several processes answers and learns as one that lies in one."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.ops.ranks import ALONE, Ranks
from recsys_cl.ops.sharded import ShardedTable
from tests.distributed import acts
from tests.distributed.processes import in_processes


@pytest.mark.slow
def test_sharded_rows_answer_and_learn_as_a_plain_table(tmp_path):
    whole = torch.nn.Parameter(torch.randn(7, 3, generator=torch.Generator().manual_seed(6)))
    optimizer, answers = torch.optim.Adam([whole], lr=0.1, fused=True), []
    for _ in range(3):
        found = torch.nn.functional.embedding(torch.tensor([6, 0, 3, 3, 5]), whole)
        answers.append(found.detach().tolist())
        optimizer.zero_grad()
        found.pow(3).sum().backward()
        optimizer.step()
    expected = {"answers": answers, "whole": whole.detach().tolist()}
    for rank, found in enumerate(in_processes(acts.__file__, "looked_up", tmp_path)):
        assert found == {**expected, "kept": [[3, 4][rank]] * 3}
    assert acts.looked_up(ALONE) == {**expected, "kept": [7] * 3}


def test_rows_of_another_process_are_refused():
    with pytest.raises(ValueError, match="rank 1 keeps rows 3 to 7 of 7, got 3 of them"):
        ShardedTable(7, torch.zeros(3, 2), Ranks(1, 2))
