"""The process-wide generators (python, numpy, torch): seeded from one number, captured and put back exactly.

Components draw from generators they are given; these are for what cannot be given one, such as ``nn.Dropout``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


def seed_globals(seed: int) -> None:
    """Seed the process-wide generators, so that a run does not depend on what ran before it in this process."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - it is the global generator that must be set
    torch.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the process-wide generators for a block, and leave them as they were before it."""
    before = capture()
    seed_globals(seed)
    try:
        yield
    finally:
        restore(*before)


def capture() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The process-wide states: tensors by name, and a JSON-able part."""
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        tensors |= {f"cuda{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    version, words, spare = random.getstate()
    state = np.random.get_state(legacy=False)  # noqa: NPY002 - it is the global generator that must be kept
    inner = state["state"]
    numpy_state = state | {"state": {"key": inner["key"].tolist(), "pos": int(inner["pos"])}}
    return tensors, {"python": [version, list(words), spare], "numpy": numpy_state}


def restore(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Put back what ``capture`` returned."""
    torch.set_rng_state(tensors["torch"])
    cuda = {int(name.removeprefix("cuda")): state for name, state in tensors.items() if name.startswith("cuda")}
    for index in range(torch.cuda.device_count()):
        if index in cuda:
            torch.cuda.set_rng_state(cuda[index], index)
    version, words, spare = values["python"]
    random.setstate((version, tuple(words), spare))
    state = values["numpy"]
    key = np.array(state["state"]["key"], dtype=np.uint32)
    np.random.set_state(state | {"state": {"key": key, "pos": state["state"]["pos"]}})  # noqa: NPY002 - as in capture
