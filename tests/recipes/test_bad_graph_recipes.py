"""What makes no sense in a graph recipe is refused before data is read, naming the key."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recsys_cl.config import load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Shape
from recsys_cl.encoders import _table
from recsys_cl.encoders.lightgcn import LightGCN
from recsys_cl.stages.assemble import assemble
from tests.graphs import generator
from tests.test_graph_recipes import blocks

ONE_DROP = [{"use": "edge_drop", "rate": 0.1}]
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("xsimgcl", {"objectives": {"contrast": {"temperature": 0}}}, r"objectives\.contrast\.temperature"),
    ("xsimgcl", {"objectives": {"contrast": {"temperature": -0.1}}}, r"objectives\.contrast\.temperature"),
    ("ncl", {"method": {"temperature": 0.0}}, r"method\.temperature"),
    ("sgl-edge", {"views": [{"use": "edge_drop", "rate": 1.0}, *ONE_DROP]}, r"views\.0\.rate"),
    ("sgl-node", {"views": [{"use": "node_drop", "rate": -0.1}, *ONE_DROP]}, r"views\.0\.rate"),
    ("sgl-edge", {"views": [{"use": "edge_drop", "rate": 0.1, "hold": 0}, *ONE_DROP]}, r"views\.0\.hold"),
    ("lightgcl", {"views": [{"use": "svd", "rank": 0}]}, r"views\.0\.rank"),
    ("xsimgcl", {"main_view": {"eps": -1.0}}, r"main_view\.eps"),
    ("sgl-edge", {"views": ONE_DROP}, r"objectives\.contrast: 'info_nce' reads 2 views, but the recipe declares 1"),
    ("lightgcl", {"views": []}, r"objectives\.contrast: 'info_nce' reads 1 views, but the recipe declares 0"),
    ("lightgcn", {"encoder": {"layers": 10**9}}, r"encoder\.layers"),
    ("egcf", {"encoder": {"layers": 0}}, r"encoder\.layers"),
    ("lightgcn", {"encoder": {"include_input": False, "layers": 0}}, r"encoder\.layers"),
    ("simplex", {"encoder": {"share": 0.0}}, r"encoder\.share"),
    ("simplex", {"objectives": {"ccl": {"margin": 1.0}}}, r"objectives\.ccl\.margin"),
    ("ultragcn", {"method": {"neighbours": 0}}, r"method\.neighbours"),
    ("selfcf", {"method": {"dropout": 1.0}}, r"method\.dropout"),
    ("lightgcn", {"objectives": {"bpr": {"weight": float("nan")}}}, r"objectives\.bpr\.weight"),
    ("lightgcn", {"objectives": {"bpr": {"weight": -1.0}}}, r"objectives\.bpr\.weight"),
    ("sgl-walk", {"encoder": {"layers": 2}}, r"encoder\.layers is 2"),
    ("lightgcl", {"encoder": {"use": "simplex"}}, "views: 'simplex' cannot do what 'svd' asks of it"),
    (
        "xsimgcl",
        {"objectives": {"contrast": {"layer": 3}}},
        "objectives.contrast: 'info_nce' reads layer 3, .* gives 3, counted",
    ),
    ("ncl", {"objectives": {"users": {"base": -1}}}, r"objectives\.users: 'info_nce' reads layer -1"),
    (
        "lightgcn",
        {"objectives": {"clip": {"use": "clip"}}},
        "objectives.clip: 'clip' reads the part 'content', .* nothing is valid",
    ),
    ("clip-align", {"objectives": {"behaviour": {"layer": "contents"}}}, "the part 'contents', .* did you mean 'content'"),
    ("lightgcn", {"objectives": {"known": {"use": "bottleneck"}}}, "objectives.known: 'bottleneck' reads the part 'mean'"),
    ("lightgcn", {"sampler": None}, "sampler: 'bpr' under objectives.bpr reads 1 .* none is"),
    ("lightgcn-slatk", {"sampler": {"negatives": 19}}, "sampler.negatives: 'slatk' under objectives.slatk reads 20 .* 19 are"),
    (
        "dns",
        {"sampler": {"negatives": 1}, "objectives": {"bpr": {"keep": 2}}},
        r"sampler\.negatives: 'hardest' .* reads 2 .* 1 are",
    ),
    (
        "dns",
        {"objectives": {"bpr": {"keep": 2, "of": {"use": "slatk", "k": 3}}}},
        "objectives.keep: 'slatk' reads 3 negatives for each query, and 2 are kept",
    ),
    ("ultragcn", {"objectives": {"neighbours": {"use": "bpr"}}}, r"objectives\.neighbours: training with 'neighbours' counts"),
    ("ncl", {"objectives": {"prototypes": {"use": "l2"}}}, r"objectives\.prototypes: training with 'prototypes' counts"),
    ("lightgcn", {"objectives": {"gradient": {"use": "l2"}}}, r"objectives\.gradient: training with 'contrastive' counts"),
    ("lightgcn", {"objectives": {"items": {"use": "uncertain", "of": {"use": "bpr"}}}}, r"objectives\.items: torch keeps no"),
    ("lightgcn", {"objectives": {"my loss": {"use": "l2"}}}, r"objectives: 'my loss' is no name: letters, digits, - and _ are"),
    ("lightgcn", {"objectives": {"a.b": {"use": "l2"}}}, r"objectives: 'a\.b' is no name"),
]


@pytest.mark.parametrize(("name", "change", "named"), BAD)
def test_a_recipe_is_refused_by_its_key(name: str, change: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=named):
        load_recipe(name, change)


LATE: list[tuple[str, dict[str, Any], str]] = [
    ("sgl-edge", {"views": [{"use": "edge_drop", "rate": 0.999}] * 2}, r"views: rate 0\.999 left none"),
]


@pytest.mark.parametrize(("name", "change", "named"), LATE)
def test_what_only_the_first_batch_shows_is_refused_there(name: str, change: dict[str, Any], named: str) -> None:
    rng = generator(1)
    built = assemble(load_recipe(name, change), blocks(), seed=1, device=torch.device("cpu"))
    with pytest.raises(Refused, match=named):
        built.method.losses(next(built.feed.training(rng)), rng)


def test_layers_beyond_the_machine_are_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_table.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**18}.__getitem__)
    with pytest.raises(Refused, match=r"encoder\.layers: 70 layers .* this machine has 1\.0 GiB"):
        LightGCN(Shape(40_000, 30_000), generator(), dim=64, layers=70)
    LightGCN(Shape(40_000, 30_000), generator(), dim=1, layers=70)
