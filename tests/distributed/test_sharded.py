"""A table whose rows lie in several processes answers and learns as one that lies in one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from recsys_cl.ops.ranks import ALONE
from tests.distributed import acts
from tests.distributed.processes import in_processes


@pytest.mark.slow
def test_sharded_rows_answer_and_learn_as_a_plain_table(tmp_path: Path) -> None:
    whole = torch.nn.Parameter(torch.randn(7, 3, generator=torch.Generator().manual_seed(6)))
    optimizer, answers, norms = torch.optim.Adam([whole], lr=0.1, fused=True), [], []
    for _ in range(3):
        found = torch.nn.functional.embedding(torch.tensor([6, 0, 3, 3, 5]), whole)
        answers.append(found.detach().tolist())
        optimizer.zero_grad()
        found.pow(3).sum().backward()
        norms.append(pytest.approx(float(whole.grad.norm()), rel=1e-6))
        optimizer.step()
    expected = {"answers": answers, "whole": whole.detach().tolist(), "left": False, "norms": norms}
    for rank, found in enumerate(in_processes(acts.__file__, "looked_up", tmp_path)):
        assert found == {way: {**expected, "kept": [[3, 4][rank]] * 3} for way in ("rows", "whole")}
    assert acts.looked_up(ALONE) == {way: {**expected, "kept": [7] * 3} for way in ("rows", "whole")}


@pytest.mark.slow
def test_recipes_whose_tables_are_shared_end_where_one_process_ends(tmp_path: Path) -> None:
    both = in_processes(acts.__file__, "fitted_in_shards", tmp_path)
    for name in acts.IN_SHARDS:
        alone = json.loads(json.dumps(acts.fitted(name, ALONE, tmp_path / f"alone-{name}")))
        for rank in both:
            assert rank[name]["scores"] == pytest.approx(alone["scores"], abs=1e-3), name
            assert rank[name]["best"] == alone["best"]
            if name in ("mf-bpr", "xsimgcl"):
                assert rank[name]["weights"] == alone["weights"], name
            else:  # a loss that is summed by shares of the queries, a gradient scaled by a norm of parts: another order
                table, expected = (torch.tensor(one["weights"]["encoder.table"]) for one in (rank[name], alone))
                assert table.allclose(expected, atol=1e-4), name


@pytest.mark.slow
def test_a_checkpoint_of_shards_is_continued_by_one_process_and_by_three(tmp_path: Path) -> None:
    expected = json.loads(json.dumps(acts.fitted("mf-bpr", ALONE, tmp_path / "alone", epochs=6)))
    for first, then in ((2, 1), (1, 2), (2, 3)):
        folder = tmp_path / f"{first}-{then}"
        folder.mkdir()
        kept = folder / "checkpoints" / "selection"
        _fit(first, folder)
        for path in kept.glob("000006.*"):  # as if killed before the last epoch was kept
            path.unlink()
        assert sorted(path.name for path in kept.iterdir()) == ["000005.json", "000005.safetensors"]
        before = (kept / "000005.json").stat().st_mtime_ns
        for found in _fit(then, folder):
            if then == 3:  # a mean of three equal gradients rounds
                assert found["scores"] == pytest.approx(expected["scores"], abs=1e-3)
            else:
                assert found == expected, (first, then)
        assert (kept / "000005.json").stat().st_mtime_ns == before, "the fifth epoch was not trained again"


def _fit(size: int, folder: Path) -> list[dict]:
    if size > 1:
        return in_processes(acts.__file__, "went_on", folder, size=size)
    return [json.loads(json.dumps(acts.fitted("mf-bpr", ALONE, folder / "checkpoints", epochs=6)))]


@pytest.mark.slow
def test_a_recipe_that_reads_its_table_whole_is_refused(tmp_path: Path) -> None:
    for said in in_processes(acts.__file__, "refused", tmp_path):
        assert said.startswith("runtime.shard_tables: this recipe's encoder reads its tables whole; those of 'mf'")
