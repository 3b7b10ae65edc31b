"""Weights on disk are safetensors: numbers and names, nothing that could run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from recsys_cl.core.files import atomic_write
from recsys_cl.ops.sharded import shards_of


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes of a safetensors file; equal tensors give equal bytes, wherever they lie."""
    # Copied, because safetensors refuses tensors that share memory, as tied weights do.
    return save({name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()})  # type: ignore[no-any-return]


def described(module: nn.Module) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """Type and shape of all that ``module`` would need to be put back, by name; of a table in shards, those of the whole."""
    shards = shards_of(module)
    rows = {name: (shards[name].rows,) if name in shards else value.shape[:1] for name, value in module.state_dict().items()}
    return {name: (value.dtype, (*rows[name], *value.shape[1:])) for name, value in module.state_dict().items()}


def save_weights(module: nn.Module, path: Path) -> None:
    """Commit all that ``module`` would need to be put back, under the names of its state."""
    with atomic_write(path) as stream:
        stream.write(pack(module.state_dict()))
