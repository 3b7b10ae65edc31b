"""The command line: one app, the commands of `commands/`, and exit codes."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer

from recsys_cl import __version__
from recsys_cl.commands import data, evidence, export, looking, pipeline, protocols, registry, report, serving, tidy, tune
from recsys_cl.core.errors import RecsysError
from recsys_cl.core.logs import say, set_up_by_environment, structured
from recsys_cl.core.stopping import listen, wished

_OUTPUT = (errno.ENOSPC, errno.EIO, errno.EPIPE)

app = typer.Typer(
    name="recsys-cl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Interaction logs to a registered, honestly evaluated contrastive recommender.\n\n"
    "Start with [bold]recsys-cl run pipelines/demo.toml[/bold]; point a copy of that file at your own logs next.",
    epilog="Exit codes: 0 done, 2 input or configuration refused, 3 environment (disk, lock, store), 1 internal error; "
    "of compare also 1: a claim does not hold.",
)

_STOPPED = 130


def _version(asked: bool) -> None:
    if asked:
        print(f"recsys-cl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What stands before a command."""


for _room in (pipeline, data, tune, protocols, report, evidence, serving, export, registry, tidy, looking):
    _room.attach(app)


def main() -> NoReturn:
    """Entry point. A user's mistake is one message and an exit code, never a traceback."""
    listen()
    _say_anything()
    code = _answered()
    if code == _STOPPED:  # Typer makes an exit code of an interrupt, or hands it on, by its version
        _fail("stopped; the same command goes on from here", _STOPPED)
    sys.exit(code if isinstance(code, int) else 0)


def _answered() -> Any:
    try:
        set_up_by_environment()
        code: Any = app(prog_name="recsys-cl", standalone_mode=False)
        print(end="", flush=True)  # at exit the interpreter would swallow what goes wrong
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _STOPPED
    except SystemExit:  # typer's own way to end where nobody reads on
        return 3
    except Exception as error:
        return _STOPPED if wished() else _told(error)
    return code


def _told(error: Exception) -> int:
    if isinstance(error, RecsysError):
        return _fail(str(error), error.exit_code)
    return _unheard(error) or _usage(error)


def _usage(error: Exception) -> int:
    """Exit 2 with the command line's own message for a wrong option; a traceback and 1 for what is our fault."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return 2
    traceback.print_exception(error)
    return _fail("internal error; please report it with the lines above", 1)


def _say_anything() -> None:
    """A path may be any bytes, and a terminal may know ASCII alone: what it does not know is escaped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _unheard(error: Exception) -> int:
    """Exit 3 where standard output is full or closed: what was done is done, and nothing more is written; else 0."""
    if not isinstance(error, OSError) or error.filename is not None or error.errno not in _OUTPUT:
        return 0
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _fail(f"cannot write to standard output: {error}", 3)


def _fail(message: str, code: int) -> int:
    if structured():
        say("end", logging.ERROR if code else logging.INFO, message=message, exit_code=code)
    else:
        print(f"recsys-cl: {message}", file=sys.stderr)
    return code
