"""Views made of views: how those inside come to be."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from recsys_cl.core.build import build
from recsys_cl.core.fit import refuse_unfit
from recsys_cl.core.protocols import View
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, Shape

Several = Annotated[tuple[Component, ...], Field(min_length=1)]


def several(of: Several, shape: Shape, interactions: Interactions, source: type | None = None) -> list[View[Any]]:
    """The views ``of``, in order; refused where one cannot read ``source``, which they are given."""
    views = []
    for at, component in enumerate(of):
        key = f"views.of.{at}"
        views.append(build("views", component, key, shape=shape, interactions=interactions))
        refuse_unfit("views", views[-1], component.use, f"{key}.use", source)
    return views
