"""MAML for 1,000 tasks of ten items and five inner steps: all at once by torch.func, against a Python loop over tasks.

``python -m benchmarks.episodes`` writes ``benchmarks/results/episodes.json``. Both make one meta-gradient, second order, of the
recipe ``meta-mf`` (64 dimensions, 128 negatives, a catalogue of 1,682 items) and come to the same; the loop is plain autograd,
without the overhead of ``vmap``. ``adapting`` is the same without the meta-gradient, as a service does it, by number of steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import keep
from recsys_cl.config import load_recipe
from recsys_cl.core.values import Batch, Interactions, Shape
from recsys_cl.ops.twice import twice_differentiable
from recsys_cl.stages.assemble import assemble
from recsys_cl.structures.episodes import Episodes

TASKS, SUPPORT, QUERY, STEPS, ITEMS = 1000, 10, 5, 5, 1682
ROUNDS = 5


def episodes() -> Episodes:
    """Tasks of random items, none twice in one."""
    rng = torch.Generator().manual_seed(1)
    items = torch.rand(TASKS, ITEMS, generator=rng).topk(SUPPORT + QUERY).indices
    return Episodes(Shape(TASKS, ITEMS), items[:, :SUPPORT], items[:, SUPPORT:])


def method(steps: int, tasks: Episodes) -> Any:
    """An untrained ``meta-mf``: what it costs does not depend on what it has learned."""
    users = torch.arange(TASKS).repeat_interleave(QUERY)
    known = Interactions(tasks.shape, users, tasks.query.flatten(), torch.zeros_like(users))
    recipe = load_recipe("meta-mf", {"method": {"steps": steps}})
    return assemble(recipe, known, 1, torch.device("cpu")).method


def batched(model: Any, tasks: Episodes) -> Tensor:
    """The outer loss of all tasks, with its gradients in the weights."""
    answers = tasks.query.flatten()
    batch = Batch(tasks, torch.arange(TASKS), None, 0, torch.arange(len(answers)), answers)
    loss: Tensor = model.losses(batch, torch.Generator())["softmax"]
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def looped(model: Any, tasks: Episodes) -> Tensor:
    """The same, one task after another."""
    items, total = model.encoder.items, torch.zeros(())
    for support, query in zip(tasks.support, tasks.query, strict=True):
        own = model.encoder.user
        with twice_differentiable():
            for _ in range(model.steps):
                loss = model.inner(own.expand(SUPPORT, -1), support, items)
                own = own - model.descent.rate * torch.autograd.grad(loss, own, create_graph=True)[0]
        logits = own @ items.T
        loss = (logits.logsumexp(-1) - logits[query]).mean() / TASKS
        loss.backward()
        total += loss.detach()
    return total


def seconds(what: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median over ``rounds``, after one that does not count."""
    taken = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        what()
        taken.append(time.perf_counter() - began)
    return median(taken[1:])


def gradients(model: Any, of: Callable[[Any, Episodes], Tensor], tasks: Episodes) -> tuple[Tensor, list[Tensor]]:
    """Loss and gradients by one of the two ways."""
    model.zero_grad(set_to_none=True)
    loss = of(model, tasks)
    return loss, [weight.grad.clone() for weight in (model.encoder.user, model.encoder.items)]


def adapting(tasks: Episodes) -> dict[str, float]:
    """Milliseconds a user, of a thousand at once and of one alone, by steps."""
    found = {}
    for steps in (1, 2, 5, 10, 20):
        model = method(steps, tasks).eval()
        for count in (TASKS, 1):
            some = Episodes(tasks.shape, tasks.support[:count], tasks.query[:count, :0])
            with torch.no_grad():
                took = seconds(lambda model=model, some=some: model.encode(some, torch.arange(len(some.support))))  # type: ignore[misc]
            found[f"{steps} steps, {count} at once"] = round(1e3 * took / count, 4)
    return found


def main() -> None:
    """Compare, time, and keep."""
    tasks = episodes()
    model = method(STEPS, tasks)
    (one, slopes), (other, same) = (gradients(model, way, tasks) for way in (batched, looped))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(slopes, same, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
    fast = seconds(lambda: gradients(model, batched, tasks))
    slow = seconds(lambda: gradients(model, looped, tasks), rounds=2)
    keep(
        "episodes",
        {
            "command": "python -m benchmarks.episodes",
            "threads": torch.get_num_threads(),
            "what": f"one meta-gradient of {TASKS} tasks x {SUPPORT} support x {STEPS} inner steps, second order",
            "batched_s": round(fast, 4),
            "loop_s": round(slow, 3),
            "times": round(slow / fast, 1),
            "target": 10,
            "adapting_ms_per_user": adapting(tasks),
        },
    )


if __name__ == "__main__":
    main()
