"""Users and items as one domain alone knows them: two of these set what two domains say of somebody opposite each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field
from torch import Generator

from recsys_cl.core.errors import Refused
from recsys_cl.structures.domains import Domains


class OneDomain:
    """Only what was met in domain ``domain`` counts; who or what it does not know has nothing to say.

    Args:
        domain: counted from 0, in the order of the feature that tells them apart.
    """

    def __init__(self, domain: Annotated[int, Field(ge=0)]) -> None:
        self._domain = domain

    def __call__(self, source: Domains, rng: Generator) -> Domains:  # noqa: ARG002 - the protocol passes it
        """``source``, looked at from there.

        Raises:
            Refused: there is no such domain.
        """
        if self._domain >= len(source.seen):
            raise Refused(f"views: 'one_domain' asks for domain {self._domain} of {len(source.seen)}, counted from 0")
        return replace(source, only=self._domain)
