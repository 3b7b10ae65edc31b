"""Weights on disk are safetensors: numbers and names, nothing that could run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from recsys_cl.core.files import atomic_write


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes of a safetensors file; equal tensors give equal bytes, wherever they lie."""
    # Copied, because safetensors refuses tensors that share memory, as tied weights do.
    return save({name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()})  # type: ignore[no-any-return]


def save_weights(module: nn.Module, path: Path) -> None:
    """Commit all that ``module`` would need to be put back, under the names of its state."""
    with atomic_write(path) as stream:
        stream.write(pack(module.state_dict()))
