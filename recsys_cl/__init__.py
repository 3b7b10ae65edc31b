"""Interaction logs to a registered, honestly evaluated contrastive recommender."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recsys_cl.core.version import VERSION as __version__

if TYPE_CHECKING:
    from recsys_cl.api import Recommender

__all__ = ["Recommender", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the Python face only when it is asked for, so that ``import recsys_cl`` stays instant."""
    if name == "Recommender":
        from recsys_cl.api import Recommender

        return Recommender
    raise AttributeError(f"module 'recsys_cl' has no attribute '{name}'")
