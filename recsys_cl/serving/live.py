"""The model being served follows its alias: the next one is verified and read whole, then takes its place in one step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from recsys_cl.core.errors import RecsysError
from recsys_cl.serving.answer import recommend
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.load import load_bundle, pin


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A bundle and what it is called, e.g. ``models:/demo/3``. A request uses one from its beginning to its end."""

    model: str
    bundle: Bundle


class Live:
    """Holds what is served now.

    Args:
        pinned: says which version is meant at this moment; called at every look.
        load: reads that version.

    Raises:
        Refused: there is no such model, or it is damaged.
        Unavailable: the store cannot be reached.
    """

    def __init__(self, pinned: Callable[[], str], load: Callable[[str], Bundle]) -> None:
        self._pinned, self._load = pinned, load
        model = pinned()
        self.served = Served(model, load(model))
        self.reloads = 0
        self.failures = 0
        self.trouble = ""  # why the last look failed; empty when it did not

    def refresh(self) -> bool:
        """Look once where the alias points and follow it; whatever goes wrong, the model in service stays."""
        try:
            model = self._pinned()
            moved = model != self.served.model
            if moved:
                self.served = Served(model, self._load(model))  # requests hold the old one until they are done
            self.trouble = ""
        except Exception as error:  # a thread that died of surprise would serve yesterday's model for ever
            self.failures += 1
            before, self.trouble = self.trouble, str(error) if isinstance(error, RecsysError) else type(error).__name__
            if self.trouble != before:  # an outage of a night is one line, and counted
                logging.getLogger(__name__).warning("%s stays in service: %s", self.served.model, error)
            return False
        self.reloads += moved
        return moved

    @contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        """Look every ``seconds`` while the block lasts."""
        stop = Event()

        def look() -> None:
            while not stop.wait(seconds):
                self.refresh()

        thread = Thread(target=look, name="alias", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()


def follow(model: str, tracking_uri: str | None = None) -> Live:
    """Serve ``models:/NAME@ALIAS`` wherever the alias points; a version or a folder never moves."""

    def load(pinned: str) -> Bundle:
        bundle = load_bundle(pinned, tracking_uri)
        recommend(bundle, bundle.user_ids[:1], 1)  # a first answer pays for what is made on the way: no client waits for it
        return bundle

    return Live(lambda: pin(model, tracking_uri), load)
