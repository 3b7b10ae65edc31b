"""A model in service until the process is stopped: the port first, then the model, then requests."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from recsys_cl.core.errors import Unavailable
from recsys_cl.core.logs import structured
from recsys_cl.serving.live import Live, follow

if TYPE_CHECKING:
    from uvicorn import Server

_MOST_AT_ONCE = 512  # connections; more are answered 503 rather than queued for ever


def serve(model: str, host: str, port: int, every: float, tracking_uri: str | None, ready: Callable[[str, str], None]) -> None:
    """Serve ``model`` at ``http://host:port``, looking every ``every`` seconds whether its alias moved.

    Args:
        model: as `recsys_cl.serving.load.load_bundle` takes it.
        host: the address to listen on; there is no authentication, so anything but loopback belongs behind a proxy.
        port: 0: any that is free.
        every: seconds between two looks at the alias.
        tracking_uri: the store that knows the model.
        ready: told the model's version and the address, once requests can come.

    Raises:
        Refused: the model cannot be served.
        Unavailable: the port is taken, the store cannot be reached, or the extra ``serve`` is not installed.
    """
    import torch

    torch.set_num_threads(1)  # requests run side by side; threads within one would only wait for each other
    with bind(host, port) as listening:
        live = follow(model, tracking_uri)
        server = make_server(live)
        ready(live.served.model, "http://{}:{}".format(*listening.getsockname()[:2]))
        with live.watching(every), suppress(KeyboardInterrupt):  # uvicorn ends its requests, then passes the signal on
            server.run(sockets=[listening])


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, or a message that says why there is none."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=_MOST_AT_ONCE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Unavailable(f"cannot listen on {host}:{port}: {reason}; choose another --port, or stop what uses it") from error
    # Inherited by connections; asyncio sets it only on sockets that name their protocol. Without it every answer to a
    # connection kept open waits 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def make_server(live: Live) -> Server:
    """A uvicorn server over ``live``; it writes no access log, because the addresses hold ids of people."""
    try:
        from uvicorn import Config, Server

        from recsys_cl.serving.app import make_app
        from recsys_cl.serving.question import Limits
    except ModuleNotFoundError as error:
        raise Unavailable(f"{error.name} is not installed; pip install 'recsys-cl[serve]'") from error
    form: dict[str, Any] = {"log_config": None} if structured() else {}  # without its own handlers it logs as we do
    settings = {"access_log": False, "limit_concurrency": _MOST_AT_ONCE, "server_header": False, **form}
    # The one parser whose lines have a limit; as long as a body, so that a long id is told its own.
    settings |= {"http": "h11", "h11_max_incomplete_event_size": Limits().body}
    return Server(Config(make_app(live), log_level="warning", **settings))
