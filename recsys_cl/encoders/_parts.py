"""Parts of an encoding that are made when somebody reads them: most objectives read none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from recsys_cl.core.values import Encoding


class Parts(Mapping[str, Encoding]):
    """A mapping whose values are made at the first look and kept.

    Args:
        make: how each part is made, by name.
    """

    def __init__(self, make: Mapping[str, Callable[[], Encoding]]) -> None:
        self._make = make
        self._made: dict[str, Encoding] = {}

    def __getitem__(self, name: str) -> Encoding:
        """The part; the same object every time."""
        if name not in self._made:
            self._made[name] = self._make[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """The names; nothing is made."""
        return iter(self._make)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._make)
