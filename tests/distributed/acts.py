"""What the processes of the tests do; each returns JSON. Data and weights are the same in all of them, and in the test itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from recsys_cl.config import load_recipe
from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.runtime import Runtime
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.evaluation.judge import Judge
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ops import propagate
from recsys_cl.ops.ranks import Ranks
from recsys_cl.ops.sharded import rows_of, shard, shard_of, total_norm, unshard, whole_of
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.fitting import Fitting
from recsys_cl.tracking.tee import Tee
from recsys_cl.training.checkpoint import Folder
from recsys_cl.training.in_step import in_step

RECIPES = {
    "lightgcn": {},
    "xsimgcl": {},
    "sgl-edge": {},
    "simplex": {"encoder": {"dropout": 0.3}},
    "mf-softmax": {},
    "sasrec-softmax": {"encoder": {"dropout": 0.0}},
    "sasrec-bce": {"encoder": {"dropout": 0.0}},
    "cl4srec": {"encoder": {"dropout": 0.0}},
    "bert4rec": {"encoder": {"dropout": 0.0}},
}
SMALL = {"encoder": {"dim": 16}, "source": {"batch_size": 64}}


def logs(users: int = 60, items: int = 40, count: int = 900, seed: int = 3) -> Interactions:
    rng = torch.Generator().manual_seed(seed)
    who, what = torch.randint(users, (count,), generator=rng), torch.randint(items, (count,), generator=rng)
    return Interactions(Shape(users, items), who, (what + who) % items, torch.arange(count))


def trained(name: str, ranks: Ranks, *, steps: int = 4, gather: bool = True) -> dict:
    """The loss terms of some steps of a recipe, and the weights after them, by plain gradient descent."""
    propagate.SHARED_FROM = 0  # these graphs are small, and shall be shared all the same
    torch.manual_seed(5)
    recipe = load_recipe(name, SMALL, RECIPES.get(name, {}))
    made = assemble(recipe, logs(), 1, torch.device("cpu"), None, ranks, gather=gather)
    method, feed, _ = in_step(made.method, made.feed, Folder(None), ranks)
    rng, losses = torch.Generator().manual_seed(2), []
    method.module.train()
    for batch, _ in zip(feed.training(rng), range(steps), strict=False):
        terms = method.losses(batch, rng)
        method.module.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        with torch.no_grad():
            learned = [weight for weight in method.module.parameters() if weight.grad is not None]
            torch._foreach_sub_(learned, [weight.grad for weight in learned], alpha=0.5)
        losses.append({key: float(value.detach()) for key, value in terms.items()})
    weights = {key: value.flatten().tolist() for key, value in made.method.module.named_parameters()}
    return {"losses": losses, "weights": weights}


def all_recipes(ranks: Ranks) -> dict:
    return {name: trained(name, ranks) for name in RECIPES}


def own_rows_only(ranks: Ranks) -> dict:
    return trained("xsimgcl", ranks, gather=False)


def judged(ranks: Ranks) -> dict:
    """Every metric of every user, of a graph and of a sequence recipe; three people more than processes."""
    told = {}
    settings = Evaluation(metrics=("recall", "ndcg", "coverage", "auc", "novelty"), ks=(5, 10))
    for name in ("lightgcn", "sasrec-softmax", "popular", "ease"):
        for users in (60, 1):  # one is fewer than processes
            known, later = logs(), logs(count=90, seed=8)
            chosen = later.users == later.users.min() if users == 1 else later.users >= 0
            truth = Interactions(later.shape, later.users[chosen], later.items[chosen], later.times[chosen])
            made = assemble(load_recipe(name), known, 1, torch.device("cpu"))
            judge = Judge(truth, known, build_metrics(settings), ranks=ranks)
            told[f"{name} {users}"] = {key: value.tolist() for key, value in judge(made.method, made.feed).items()}
    return told


def told(ranks: Ranks) -> list:
    """Gathering uneven, empty and bool parts; one tells all."""
    uneven = [0, 1, 4] if ranks.size == 2 else ranks.bounds(4)
    rows = torch.arange(8.0).view(4, 2)[uneven[ranks.rank] : uneven[ranks.rank + 1]]
    none = torch.zeros(0, 3)
    flags = torch.tensor([True, False, True, True])[uneven[ranks.rank] : uneven[ranks.rank + 1]]
    return [
        ranks.gather(rows, uneven).tolist(),
        list(ranks.gather(none, [0] * (ranks.size + 1)).shape),
        ranks.gather(flags, uneven).tolist(),
        ranks.tell(b"from 0" if ranks.leads else b"not heard").decode(),
        ranks.tell(b"").decode(),
        ranks.mean(torch.tensor([1.0 + ranks.rank])).tolist(),
    ]


def dies(ranks: Ranks) -> str:
    """Rank 1 ends without a word; what rank 0 then says."""
    if not ranks.leads:
        _answer_file(1).write_text('"gone"', "utf-8")
        os._exit(0)
    return _said(ranks)


def hangs(ranks: Ranks) -> str:
    """Rank 1 is there and answers no more until rank 0 has given up."""
    ranks.mean(torch.ones(1))
    if ranks.leads:
        return _said(ranks)
    while not _answer_file(0).exists():
        os.sched_yield()
    return "idle"


def _said(ranks: Ranks) -> str:
    try:
        for _ in range(3):
            ranks.mean(torch.ones(1))
    except Unavailable as error:
        return str(error)
    return "nothing"


def _answer_file(rank: int) -> Path:
    """Where a process of these tests leaves its answer."""
    return Path(f"{sys.argv[3]}{rank}")


def looked_up(ranks: Ranks) -> dict:
    """A row-sharded table under Adam: what it answered, its rows afterwards, and how many were this process's own."""
    told = {}
    for name, read in (("rows", rows_of), ("whole", lambda table, ids: whole_of(table)[ids])):
        table = torch.nn.Parameter(torch.randn(7, 3, generator=torch.Generator().manual_seed(6)))
        if not ranks.alone:
            shard(table, ranks)
        optimizer = torch.optim.Adam([table], lr=0.1, fused=True)
        ids, answers, norms = torch.tensor([6, 0, 3, 3, 5]), [], []
        for _ in range(3):
            found = read(table, ids)
            answers.append(found.detach().tolist())
            optimizer.zero_grad()
            found.pow(3).sum().backward()
            norms.append(float(total_norm([table])))
            optimizer.step()
        kept = [len(table), len(table.grad), *(len(state["exp_avg"]) for state in optimizer.state.values())]
        holder = torch.nn.Module()
        holder.table = table
        unshard(holder)
        told[name] = {"answers": answers, "whole": table.tolist(), "kept": kept, "left": shard_of(table) is not None}
        told[name]["norms"] = norms
    return told


IN_SHARDS = ("mf-bpr", "mf-softmax", "lightgcn", "xsimgcl")


def fitted(name: str, ranks: Ranks, folder: Path, *, epochs: int = 4, shards: bool = True) -> dict:
    """A recipe fitted and refitted as the train stage does it, its checkpoints in ``folder``."""
    plan = {"training": {"epochs": epochs, "refit": name == "mf-softmax", "clip": 0.5 if name == "lightgcn" else None}}
    fitting = Fitting(
        name,
        load_recipe(name, SMALL, plan),
        Evaluation(metrics=("recall", "ndcg"), ks=(5, 20)),
        Runtime(shard_tables=shards),
        1,
        folder,
        ranks=ranks,
    )
    made = fitting.run(logs(), logs(count=90, seed=8), Tee())
    weights = {key: value.tolist() for key, value in made.method.module.state_dict().items()}
    return {"weights": weights, "best": made.best.epoch, "scores": dict(made.best.scores)}


def fitted_in_shards(ranks: Ranks) -> dict:
    return {name: fitted(name, ranks, _answer_file(9).with_name(f"checkpoints-{name}")) for name in IN_SHARDS}


def went_on(ranks: Ranks) -> dict:
    """Six epochs, of which the first ones are in the folder already."""
    return fitted("mf-bpr", ranks, _answer_file(9).with_name("checkpoints"), epochs=6)


def refused(ranks: Ranks) -> str:
    try:
        fitted("sasrec-softmax", ranks, _answer_file(9).with_name("checkpoints"))
    except Refused as error:
        return str(error)
    return "nothing"
