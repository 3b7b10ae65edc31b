"""Every sequence recipe learns a rule that only the order of a history gives away: who just met i meets its successor."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recsys_cl.config import load_recipe
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.stages.assemble import Assembly, assemble
from tests.shipped import of_family

SHAPE = Shape(users=120, items=30)
LONGEST, EPOCHS, ENOUGH = 9, 60, 0.6
NAMES = of_family("sequence")
SMALL = {"source": {"batch_size": 32}, "encoder": {"dim": 16, "dropout": 0.1}}
FEW = {"sampler": {"negatives": 8}}  # of 30 items; the published hundreds would be all of them many times over


def walks() -> tuple[Interactions, Tensor]:
    """Walks along one circle of all items, begun anywhere, 3 to 9 items long, and what comes next in each.

    Items are as frequent as each other and nobody meets one twice: neither popularity nor repetition is of any use.
    """
    rng = torch.Generator().manual_seed(0)
    circle = torch.randperm(SHAPE.items, generator=rng)
    begin = torch.randint(SHAPE.items, (SHAPE.users,), generator=rng)
    lengths = torch.randint(3, LONGEST + 1, (SHAPE.users,), generator=rng)
    time, user = torch.arange(LONGEST)[:, None].expand(-1, SHAPE.users), torch.arange(SHAPE.users).expand(LONGEST, -1)
    items = circle[(begin + time) % SHAPE.items]
    met = time < lengths
    return Interactions(SHAPE, user[met], items[met], time[met]), circle[(begin + lengths) % SHAPE.items]


def share_right(made: Assembly, log: Interactions, target: Tensor) -> float:
    """How often the item ranked first, among those the user has not met, is the one that comes next."""
    right = 0
    made.method.module.eval()
    with torch.no_grad():
        for source, users in made.feed.inference(torch.arange(SHAPE.users)):
            found = made.method.encode(source, users)
            scores = torch.empty(SHAPE.users, SHAPE.items)
            scores[users] = found.users @ found.items.T
            scores[log.users, log.items] = -torch.inf
            right += int((scores[users].argmax(1) == target[users]).sum())
    return right / SHAPE.users


def fit(made: Assembly, log: Interactions, target: Tensor) -> float:
    """Epochs until it knows nearly all, or all of them."""
    rng, share = torch.Generator().manual_seed(1), 0.0
    optimizer = torch.optim.Adam(made.method.module.parameters(), lr=0.01)
    for epoch in range(1, EPOCHS + 1):
        made.method.module.train()
        for batch in made.feed.training(rng):
            loss = torch.stack(list(made.method.losses(batch, rng).values())).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            share = share_right(made, log, target)
        if share > 0.9:
            break
    return share


def test_all_of_them_are_here() -> None:
    ours = "average-softmax bert4rec caser cl4srec coserec duorec gru4rec gsasrec iclrec mclrec-style nextitnet sasrec-bce sasrec-softmax"
    assert set(ours.split()) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_what_comes_next(name: str) -> None:
    log, target = walks()
    recipe = load_recipe(name, SMALL, FEW if load_recipe(name).sampler else {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # dropout draws from the global generator
        made = assemble(recipe, log, 1, torch.device("cpu"))
        assert share_right(made, log, target) < 0.2
        assert fit(made, log, target) > ENOUGH
