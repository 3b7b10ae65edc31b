"""Components of one family in another's recipe: refused before data is read, with the names of those that fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from torch import Generator, Tensor

from recsys_cl.config import load_recipe
from recsys_cl.core.build import names, resolve
from recsys_cl.core.errors import Refused
from recsys_cl.core.fit import made_by, refuse_unfit

DROP, CROP = {"use": "edge_drop", "rate": 0.1}, {"use": "crop", "ratio": 0.5}


@pytest.mark.parametrize(
    ("recipe", "change", "message"),
    [
        ("lightgcn", {"views": [DROP, CROP]}, r"views\.1\.use: 'crop' cannot read Graph, .* what can: chain, edge_drop"),
        ("lightgcn", {"main_view": CROP}, r"main_view\.use: 'crop' cannot read Graph"),
        ("lightgcn", {"views": [{"use": "chain", "of": [DROP, CROP]}]}, r"views\.0\.use: 'chain' cannot read Graph"),
        ("mgcn-style", {"views": [{"use": "on_graph", "of": [DROP, CROP]}]}, r"views\.of\.1\.use: 'crop' cannot read Graph"),
        ("cl4srec", {"views": [{"use": "one_of", "of": [DROP]}]}, r"views\.of\.0\.use: 'edge_drop' cannot read Sequences"),
        ("sasrec-softmax", {"encoder": {"use": "lightgcn"}}, r"encoder\.use: 'lightgcn' cannot read Sequences.* transformer"),
        ("lightgcn", {"source": {"use": "plain"}}, r"encoder\.use: 'lightgcn' cannot read Plain"),
        ("lightgcn", {"method": {"use": "meta"}}, r"method\.use: 'meta' cannot read Graph.* what can: bootstrap, contrastive"),
    ],
)
def test_what_cannot_read_the_source_is_refused_by_key(recipe: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        load_recipe(recipe, change)


@pytest.mark.parametrize(
    ("recipe", "change"),
    [
        ("lightgcn", {"views": [{"use": "chain", "of": [DROP, {"use": "layer_noise", "eps": 0.1}]}]}),
        ("lightgcn", {"main_view": {"use": "plain"}}),
        ("mgcn-style", {"views": [{"use": "on_graph", "of": [DROP]}]}),
        ("mf-bpr", {"source": {"use": "plain"}}),  # an encoder that looks at no source reads them all
    ],
)
def test_what_can_is_not(recipe: str, change: dict[str, Any]) -> None:
    assert load_recipe(recipe, change) != load_recipe(recipe)


def test_every_component_says_what_it_reads_or_makes() -> None:
    for slot, verb, name in (
        ("views", "__call__", "source"),
        ("encoders", "forward", "sources"),
        ("methods", "encode", "source"),
    ):
        for use in names(slot):
            assert get_type_hints(getattr(resolve(slot, use, slot), verb)).get(name) is not None, f"{slot}/{use}"
    for use in names("structures"):
        assert made_by(resolve("structures", use, "source")) is not None, use


class Unsaid:
    """Somebody's own component, without annotations."""

    def __call__(self, source, rng: Generator):
        return source


class UnsaidFeed:
    def inference(self, users: Tensor) -> Iterator[Any]:
        yield None


def test_what_does_not_say_is_let_through() -> None:
    assert made_by(UnsaidFeed) is None
    assert made_by(Unsaid) is None
    refuse_unfit("views", Unsaid(), "mine", "views.0.use", Tensor)
    refuse_unfit("views", resolve("views", "crop", "k"), "crop", "views.0.use", None)
