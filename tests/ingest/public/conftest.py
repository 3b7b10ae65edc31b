"""A web server on loopback that can be made to misbehave."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Site:
    """Files by path, how the server serves them, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.tag = '"one"'
        self.ranges = True
        self.cut: list[int] = []  # after how many bytes the next answers break off
        self.status: list[int] = []  # what the next answers say instead of 200
        self.elsewhere: dict[str, str] = {}
        self.asked: list[str | None] = []  # the Range of each request
        self.address = ""

    def put(self, name: str, content: bytes) -> tuple[str, str]:
        """The file's URL and digest."""
        self.files[f"/{name}"] = content
        return f"{self.address}/{name}", hashlib.sha256(content).hexdigest()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.headers.get("Range"))
            if self.path in site.elsewhere:
                self.send_response(302)
                self.send_header("Location", site.elsewhere[self.path])
                self.end_headers()
                return
            status = site.status.pop(0) if site.status else 200 if self.path in site.files else 404
            if status != 200:
                self.send_error(status)
                return
            self._send(site.files[self.path])

        def _send(self, content: bytes) -> None:
            start, span = 0, self.headers.get("Range")
            if span and site.ranges and self.headers.get("If-Range") in (None, site.tag):  # as RFC 9110 has it
                start = int(span.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("ETag", site.tag)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            rest = content[start:]
            self.wfile.write(rest[: site.cut.pop(0)] if site.cut else rest)

        def log_message(self, *_: Any) -> None:
            """Nothing is said."""

    return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(made)) as server:
        made.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        server.shutdown()
        thread.join()
