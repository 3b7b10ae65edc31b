"""What can go wrong, by who can mend it. The command line turns each into one message and an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class RecsysError(Exception):
    """Any failure that is explained in one message; never shown with a traceback."""

    exit_code = 1


class Refused(RecsysError):
    """The input or a setting cannot be used; the message names the file, the key or the line."""

    exit_code = 2


class Diverged(Refused):
    """A loss, gradient or weight stopped being finite; the message names the step and the term."""


class Unavailable(RecsysError):
    """The environment failed (disk, lock, permission, store); the same command may work later."""

    exit_code = 3


class Busy(RecsysError):
    """Somebody else is doing the same already: nothing was done here, and nothing is wrong."""

    exit_code = 0


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint to append to a message about an unknown name: the closest valid one, or all of them."""
    choices = sorted(valid)
    close = get_close_matches(name, choices, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"valid: {', '.join(choices)}" if choices else "nothing is valid here"
