"""A file arrives whole and as promised, or not at all; a broken transfer goes on where it stopped."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.files import digest_file, make_folder, storage_fault, sync_folder, write_json

_CHUNK = 1 << 20
_TRIES = 5
_PATIENCE = 60.0  # seconds without a byte
LARGEST = 20 << 30  # bytes; more than any data set here


def download(url: str, target: Path, sha256: str, seen: Callable[[int], None] = lambda _: None) -> None:
    """Fetch ``url`` to ``target`` unless it is there already with this digest.

    What has arrived lies beside it as ``.NAME.part``, with the server's tag of the file's version: only the same version
    is continued. The file takes its name once its digest is right.

    Raises:
        Refused: the bytes are not what they should be, or the address cannot be one.
        Unavailable: the server or the disk failed; the same call goes on later.
    """
    if target.is_file() and digest_file(target) == sha256:
        return
    part, tag = target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.tag")
    try:
        make_folder(target.parent)
        if not (part.is_file() and digest_file(part) == sha256):
            _receive(url, part, tag, seen)
        found = digest_file(part)
        if found != sha256:
            part.unlink()
            raise Refused(f"{url}: the bytes are not what they should be: SHA-256 {found}, expected {sha256}")
        part.replace(target)
        tag.unlink(missing_ok=True)
        sync_folder(target.parent)
    except OSError as error:
        raise storage_fault(target, error) from error


def _receive(url: str, part: Path, tag: Path, seen: Callable[[int], None]) -> None:
    failure: Exception | None = None
    for _ in range(_TRIES):
        size = part.stat().st_size if part.exists() else 0
        try:
            if _continue(url, part, tag, seen):
                return
        except HTTPError as error:
            error.close()
            if error.code == 416:  # nothing is left to send, or the file has become shorter: begin again
                part.unlink(missing_ok=True)
            elif error.code < 500:
                raise Refused(f"{url}: the server says {error.code} {error.reason}") from error
            failure = error
        except (URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            failure = error
        if part.exists() and part.stat().st_size > size:
            failure = failure or Unavailable("the connection ended early")
    raise Unavailable(f"{url}: {failure or 'the connection ended early'}; the same command goes on from here")


def _continue(url: str, part: Path, tag: Path, seen: Callable[[int], None]) -> bool:
    """One request; whether the file is now whole."""
    known = json.loads(tag.read_text("utf-8")) if tag.is_file() and part.is_file() else None
    start = part.stat().st_size if known else 0
    headers = {"User-Agent": "recsys-cl", "Accept-Encoding": "identity"}
    if known and start:
        headers |= {"Range": f"bytes={start}-", "If-Range": known}
    with _open(Request(url, headers=headers)) as answer:
        start = start if answer.status == 206 else 0  # 200: another version, or a server that always begins at the start
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if version and not version.startswith("W/"):
            write_json(tag, version)
        else:
            tag.unlink(missing_ok=True)
        length = answer.headers.get("Content-Length")
        expected = start + int(length) if length is not None else None
        if expected is not None and expected > LARGEST:
            raise Refused(f"{url}: {expected} bytes, more than any data set here")
        with part.open("r+b" if start else "wb") as stream:
            stream.truncate(start)
            stream.seek(start)
            end = start + _copy(answer, stream, seen, LARGEST - start)
            stream.flush()
            os.fsync(stream.fileno())
    return expected is None or end == expected


def _copy(answer: IO[bytes], stream: IO[bytes], seen: Callable[[int], None], most: int) -> int:
    received = 0
    while chunk := answer.read(_CHUNK):
        received += len(chunk)
        if received > most:
            raise Refused("the server sends more bytes than any data set here has")
        stream.write(chunk)
        seen(len(chunk))
    return received


def _open(request: Request) -> http.client.HTTPResponse:
    """Follows redirections, over HTTP and HTTPS alone, and never from the second to the first."""
    opener = OpenerDirector()
    for handler in (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPRedirectHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor):
        opener.add_handler(handler())
    answer: http.client.HTTPResponse | None = opener.open(request, timeout=_PATIENCE)
    if answer is None:
        raise Refused(f"{request.full_url}: leads to an address that is not HTTP")
    if request.full_url.startswith("https:") and not answer.geturl().startswith("https:"):
        answer.close()
        raise Refused(f"{request.full_url}: leads to {answer.geturl()}, which is not HTTPS")
    return answer
