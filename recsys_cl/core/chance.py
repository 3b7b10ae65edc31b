"""One seed, many independent generators: each is derived from the seed and a name, never from another's state."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(seed: int, *names: str) -> int:
    """A 63-bit seed for one named purpose. Adding a purpose never shifts the numbers of another."""
    text = "\x1f".join((str(seed), *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for one named purpose, e.g. ``generator(7, "lightgcn", "training")``."""
    import torch  # here, because ingestion derives numbers and starts without it

    return torch.Generator(device=device).manual_seed(derive(seed, *names))
