"""Domains that know each other's people: a score is its domain's own, and only shared people carry anything over."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recsys_cl.core.values import Encoding, Interactions
from recsys_cl.encoders.domains import DomainLightGCN
from recsys_cl.encoders.lightgcn import LightGCN
from recsys_cl.ops.adjacency import connect
from recsys_cl.structures.domains import DomainFeed, Domains
from recsys_cl.structures.graph import Graph
from recsys_cl.views.one_domain import OneDomain
from tests.domains import APART, WORLD, log
from tests.graphs import generator

EVERYONE = torch.arange(WORLD.users)


def source(met: Interactions) -> Domains:
    [(found, _)] = DomainFeed(WORLD, met, APART, overlap=0).inference(EVERYONE)
    return found


def made(met: Interactions, crossing: str = "none", **more: object) -> DomainLightGCN:
    """An encoder with every weight drawn."""
    built = DomainLightGCN(WORLD, met, generator(), APART, dim=4, layers=2, crossing=crossing, **more)
    rng = generator(9)
    with torch.no_grad():
        for weights in built.crossing.parameters():
            weights.normal_(generator=rng)
    return built.eval()


def without_people_in_both(met: Interactions) -> Interactions:
    kept = met.users < 20
    return Interactions(WORLD, met.users[kept], met.items[kept], met.times[kept])


def test_each_domain_by_itself_is_a_lightgcn_of_its_own() -> None:
    met = log()
    built = made(met)
    [whole] = built([source(met)], EVERYONE)
    plain = LightGCN(WORLD, generator(), dim=4, layers=2).eval()
    for domain, inside in ((0, met.items < 20), (1, met.items >= 20)):
        graph = Graph(WORLD, connect(WORLD, met.users[inside], met.items[inside]))
        with torch.no_grad():
            saved = built.state_dict()["table"]
            own = saved[domain * WORLD.users : (domain + 1) * WORLD.users]
            plain.table.copy_(torch.cat((own, saved[2 * WORLD.users :])))
        [one] = plain([graph], EVERYONE)
        items = slice(0, 20) if domain == 0 else slice(20, 30)
        seen = met.users[inside].unique()
        scores = whole.users[seen] @ whole.items[items].T
        torch.testing.assert_close(scores, one.users[seen] @ one.items[items].T, rtol=1e-5, atol=1e-6)


def test_whom_a_domain_does_not_know_it_treats_alike_whatever_the_tables_hold() -> None:
    met = log()
    built = made(met)
    [whole] = built([source(met)], EVERYONE)
    strangers = whole.users[:10] @ whole.items[20:].T
    assert torch.equal(strangers, strangers[:1].expand_as(strangers))


@pytest.mark.parametrize("crossing", ["learned", "fitted"])
def test_strangers_are_told_by_the_other_domain(crossing: str) -> None:
    met = log()
    ridge = {"ridge": 1e-3} if crossing == "fitted" else {}
    [whole] = made(met, crossing, **ridge)([source(met)], EVERYONE)
    strangers = whole.users[:10] @ whole.items[20:].T
    assert len(torch.unique(strangers, dim=0)) == 10


def test_the_fitted_map_reads_shared_people_only() -> None:
    met = log()
    whole, built = source(met), DomainLightGCN(WORLD, met, generator(), APART, dim=4, layers=0, crossing="fitted").eval()
    both = whole.seen.all(0)

    def fitted() -> list[Tensor]:
        bridge = built._fitted(whole).bridges[0][1]
        assert bridge is not None
        return list(bridge)

    before = fitted()
    with torch.no_grad():
        built.table[whole.users[0, ~both & whole.seen[0]]] += 1.0
    unmoved = fitted()
    with torch.no_grad():
        built.table[whole.users[0, both]] += torch.randn(int(both.sum()), 4, generator=generator(2))
    moved = fitted()
    assert all(torch.equal(one, other) for one, other in zip(before, unmoved, strict=True))
    assert not torch.equal(before[0], moved[0])


def test_without_people_in_both_a_fitted_crossing_is_none() -> None:
    met = without_people_in_both(log())
    [alone], [crossed] = made(met)([source(met)], EVERYONE), made(met, "fitted")([source(met)], EVERYONE)
    assert_same(alone, crossed)


def test_without_people_in_both_no_map_is_learned() -> None:
    met = without_people_in_both(log())
    built = DomainLightGCN(WORLD, met, generator(), APART, dim=4, layers=2, crossing="learned", always=True)
    [before] = built([source(met)], EVERYONE)
    (before.users[:10] @ before.items[:20].T).sum().backward()
    assert built.crossing.maps is not None
    assert not built.crossing.maps.grad.any(), "nobody is there to learn a map from"


def assert_same(one: Encoding, other: Encoding) -> None:
    torch.testing.assert_close(one.users, other.users)
    torch.testing.assert_close(one.items, other.items)


def test_a_look_at_one_domain_says_whom_it_knows() -> None:
    met = log()
    plain = source(met)
    first, second = made(met)([OneDomain(0)(plain, generator()), OneDomain(1)(plain, generator())], EVERYONE)
    assert first.users.shape == (WORLD.users, 4)
    assert not first.members[10:20].any()
    assert not second.members[:10].any()
    assert bool((first.members & second.members).any())
    assert torch.equal(first.present, torch.arange(WORLD.items) < 20)


def test_the_table_has_rows_for_those_alone_who_are_known_and_what_is_saved_has_zeros_for_all_others() -> None:
    met = log()
    built = DomainLightGCN(WORLD, met, generator(), APART, dim=4)
    saved = built.state_dict()["table"]
    assert len(built.table) == int(source(met).seen.sum()) + WORLD.items
    assert len(saved) == 2 * WORLD.users + WORLD.items
    assert not saved[WORLD.users : WORLD.users + 10].any()
    assert not saved[10:20].any()
    assert torch.equal(saved[saved.any(1)], built.table)


def test_what_is_saved_is_read_by_who_knows_more_people_and_newcomers_begin_at_nothing() -> None:
    met = log()
    more = met.then(Interactions(WORLD, torch.tensor([3]), torch.tensor([25]), torch.tensor([9])))
    one, other = made(met), made(more)
    other.load_state_dict(one.state_dict())
    assert torch.equal(other.state_dict()["table"], one.state_dict()["table"])
    assert not other.table[source(more).users[1, 3]].any()
    [before], [after] = one([source(met)], EVERYONE), other([source(more)], EVERYONE)
    assert not torch.equal(before.users[3, 4:], after.users[3, 4:])


def test_a_view_of_no_such_domain_is_refused() -> None:
    from recsys_cl.core.errors import Refused

    with pytest.raises(Refused, match="domain 2 of 2"):
        OneDomain(2)(source(log()), generator())


def test_somebody_hidden_is_a_stranger() -> None:
    met = log()
    plain, built = source(met), made(met, "learned")
    hidden = replace(plain, seen=plain.seen & torch.tensor([[True], [False]]))
    [found] = built([hidden], EVERYONE)
    nobody: Tensor = built.crossing.nobody[1]
    known = plain.seen[0]
    torch.testing.assert_close(found.users[~known, 4:], nobody.expand(int((~known).sum()), 4))
    assert len(torch.unique(found.users[known, 4:], dim=0)) == int(known.sum()), "what the other domain says of them"


def test_nobody_in_particular_is_the_mean_of_those_who_are_known() -> None:
    met = log()
    plain, built = source(met), made(met)
    [found] = built([plain], EVERYONE)
    seen = plain.seen[1]
    torch.testing.assert_close(found.users[~seen, 4:], found.users[seen, 4:].mean(0).expand(int((~seen).sum()), 4))


@pytest.mark.parametrize("crossing", ["none", "learned"])
def test_rows_apart_hold_what_the_joined_vectors_do(crossing: str) -> None:
    met = log()
    plain, built, asked = source(met), made(met, crossing).train(), torch.tensor([25, 3, 19])
    users = torch.tensor([7, 30, 12, 21])
    [joined], [apart] = built([plain], users, asked), built([replace(plain, apart=True)], users, asked)
    assert torch.equal(apart.users.view(2, 4, 4).transpose(0, 1).flatten(1), joined.users)
    own = torch.tensor([1, 0, 0])
    assert torch.equal(apart.items, joined.items.view(3, 2, 4)[torch.arange(3), own])
    [one], [same_one] = ([OneDomain(1)(each, generator())] for each in (plain, replace(plain, apart=True)))
    [seen], [seen_apart] = built([one], users, asked), built([same_one], users, asked)
    assert torch.equal(seen.users, seen_apart.users)
    assert torch.equal(seen.items[seen.present], seen_apart.items[seen_apart.present])
