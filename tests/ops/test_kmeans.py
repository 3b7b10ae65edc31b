"""k-means against loops, planted clusters and its own promise that inertia never rises."""

from __future__ import annotations

import torch

from recsys_cl.ops import kmeans as module
from recsys_cl.ops.kmeans import kmeans, nearest


def rows(seed: int = 0, count: int = 40, dim: int = 3) -> torch.Tensor:
    return torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def inertia(data: torch.Tensor, centres: torch.Tensor, home: torch.Tensor) -> float:
    return float((data - centres[home]).square().sum())


def test_one_round_equals_a_loop_whatever_the_block(monkeypatch) -> None:
    data, start = rows(), rows(1, 5)
    home = [min(range(5), key=lambda k, x=x: float((x - start[k]).square().sum())) for x in data]
    for block in (1, 12, 10**6):
        monkeypatch.setattr(module, "_BLOCK", block)
        assert nearest(data, start).tolist() == home
    means = [torch.stack([x for x, h in zip(data, home, strict=True) if h == k]).mean(0) for k in sorted(set(home))]
    torch.testing.assert_close(kmeans(data, start, 1)[0][sorted(set(home))], torch.stack(means))


def test_inertia_never_rises() -> None:
    data, start = rows(2), rows(3, 6)
    steps = [inertia(data, *kmeans(data, start, rounds)) for rounds in range(6)]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < steps[0]


def test_half_precision_around_it_and_in_its_rows_does_not_reach_it() -> None:
    data = rows(5, 200, 8).float()
    exact = kmeans(data, data[:4], 6)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(map(torch.equal, kmeans(data, data[:4], 6), exact))
        short = data.bfloat16()
        centres, home = kmeans(short, short[:4], 6)
    assert centres.dtype == torch.float32
    assert all(map(torch.equal, (centres, home), kmeans(short.float(), short[:4].float(), 6)))


def test_planted_clusters_are_found() -> None:
    planted = torch.arange(30) % 3
    data = 10 * torch.eye(3, dtype=torch.float64)[planted] + 0.1 * rows(4, 30)
    _, home = kmeans(data, data[:3], 5)
    assert home.tolist() == planted.tolist()


def test_an_abandoned_centre_stays() -> None:
    data = rows(5, 10)
    far = torch.full((1, 3), 1e3, dtype=torch.float64)
    centres, home = kmeans(data, torch.cat((data[:2], far)), 4)
    assert torch.equal(centres[2:], far)
    assert 2 not in home.tolist()
