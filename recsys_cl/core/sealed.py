"""JSON that carries its own digest, so that what is not as it was committed is never believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys_cl.core.errors import RecsysError, Refused, Unavailable
from recsys_cl.core.files import digest_json, write_json

SEAL = "seal"


def write_sealed(path: Path, body: Mapping[str, Any]) -> None:
    """Commit ``body`` with its seal, in one rename."""
    write_json(path, _sealed(body))


def unsealed(text: str, path: Path) -> dict[str, Any]:
    """The body of a sealed file that holds ``text``.

    Raises:
        Refused: it is not byte for byte what was committed.
    """
    try:
        found = json.loads(text)
        body = {key: value for key, value in found.items() if key != SEAL}
        whole = found == _sealed(body) and text == json.dumps(found, indent=2, sort_keys=True, allow_nan=False) + "\n"
    except (ValueError, AttributeError) as error:
        raise Refused(f"{path}: damaged: not the JSON that was committed") from error
    if not whole:
        raise Refused(f"{path}: damaged: not what was committed")
    return body


def committed_text(path: Path) -> str:
    """The text of a committed file.

    Raises:
        Refused: the file is gone or no text, which is damage.
        Unavailable: it cannot be read now.
    """
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise unread(path, error) from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: damaged: not UTF-8") from error


def unread(path: Path, error: OSError) -> RecsysError:
    """A committed file that is gone is damage; one that cannot be read may be readable later."""
    if isinstance(error, FileNotFoundError):
        return Refused(f"{path}: damaged: the file is missing")
    return Unavailable(f"cannot read {path}: {error.strerror or error}")


def _sealed(body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, SEAL: digest_json(body)}
