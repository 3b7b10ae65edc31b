"""A wish to stop is heard even where an exception would be lost, or becomes another one.

A signal's handler can only raise, and Python drops what is raised within a finaliser, a weak reference's callback or a
callback of the garbage collector. So the wish is remembered too, and whoever works for long asks for it between two steps.
Compiled code may raise something else instead, as DuckDB does in the midst of a query (``RuntimeError: Query interrupted``):
after a wish to stop, whatever ended the work is the stop.
"""

from __future__ import annotations

import signal
from threading import Event
from types import FrameType
from typing import NoReturn

_wished = Event()


def listen() -> None:
    """Let SIGTERM and SIGINT interrupt this process; the second one of a kind ends it as if nobody listened."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell starts what runs in the background
            signal.signal(number, _interrupt)


def heed() -> None:
    """Stop here, if it was wished before and what was raised then has not come through.

    Raises:
        KeyboardInterrupt: it was.
    """
    if _wished.is_set():
        raise KeyboardInterrupt


def wished() -> bool:
    """Whether this process was asked to stop."""
    return _wished.is_set()


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _wished.set()
    raise KeyboardInterrupt
