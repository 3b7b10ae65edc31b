"""The sequence encoder as ONNX: a history goes in, the vector that the item matrix is multiplied with comes out."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.values import Ragged, Shape
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.reader import ByEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "encoder.onnx"
_OPSET = 20


@dataclass(frozen=True, slots=True, eq=False)
class Rectangle:
    """Histories of one length, as encoders read `structures.sequences.Sequences`; no shape depends on the data."""

    shape: Shape
    items: Tensor  # [B, L] int64, oldest first, filled up at the end with anything
    ends: Tensor  # [B] int64: how many of each row are real, at least one
    causal: bool = True
    users: None = None
    times: None = None

    @property
    def tokens(self) -> Tensor:
        """All places of all rows, [B * L]."""
        return self.items.flatten()

    @property
    def longest(self) -> int:
        """Length of every row."""
        return self.items.shape[1]

    @property
    def offsets(self) -> Tensor:
        """Where each row begins and the last one ends, [B + 1]."""
        return torch.arange(self.items.shape[0] + 1) * self.longest

    @property
    def rows(self) -> Tensor:
        """The row of each place, [B * L]."""
        return torch.arange(self.items.shape[0])[:, None].expand_as(self.items).flatten()

    @property
    def places(self) -> Tensor:
        """Where each place stands in its row, [B * L]."""
        return torch.arange(self.longest).expand_as(self.items).flatten()

    @property
    def readout(self) -> Tensor:
        """The last real place of each row, [B]."""
        return torch.arange(self.items.shape[0]) * self.longest + self.ends - 1


class Portable(nn.Module):
    """``items`` [B, L], ``lengths`` [B] to vectors [B, D], by a trained method whose encoder looks back only."""

    def __init__(self, method: Any, shape: Shape) -> None:
        super().__init__()
        self.trained, self.method, self.shape = method.module, method, shape

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """What is after the last real item of a row changes nothing: no state may read past its own place."""
        source = Rectangle(self.shape, items, lengths)
        vectors: Tensor = self.method.encode(source, torch.arange(items.shape[0])).users
        return vectors


def write_encoder(bundle: Bundle, folder: Path) -> int:
    """Write `NAME`; the longest history it takes.

    Raises:
        Refused: the model has no encoder of histories, one that reads times, or one that also looks ahead, which padding
            would change, or adapts.
        Unavailable: the extra ``onnx`` is not installed.
    """
    reader = bundle.reader
    if not isinstance(reader, ByEncoder):
        raise Refused("the model has no encoder of histories; ONNX is for sequence recipes, --format faiss for all")
    if reader.recipe.source.use != "sequences":
        raise Refused(
            f"ONNX takes what reads 'sequences' from the past on; source '{reader.recipe.source.use}' is read otherwise "
            "(from both sides, or by adapting), and --format faiss takes every model"
        )
    if reader.recipe.source.arguments.get("times"):
        raise Refused("the encoder reads when items were met (source.times), and histories in ONNX do not say")
    length: int = int(reader.recipe.source.arguments.get("max_length", 50))  # type: ignore[call-overload]
    examples = (torch.zeros(3, length, dtype=torch.int64), torch.tensor([1, 2, length]))
    try:
        import onnxscript  # noqa: F401  # what torch's exporter needs beside onnx

        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # what the exporter says of itself
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            torch.onnx.export(
                Portable(reader.trained(), reader.shape).eval(),
                examples,
                str(folder / NAME),
                input_names=["items", "lengths"],
                output_names=["vectors"],
                dynamic_shapes=({0: torch.export.Dim("batch")}, {0: torch.export.Dim("batch")}),
                opset_version=_OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except ModuleNotFoundError as error:
        raise Unavailable(f"{error.name} is not installed; pip install 'recsys-cl[onnx]'") from error
    return length


def run_encoder(path: Path, histories: Ragged, length: int, block: int = 256) -> Tensor:
    """Vectors of ``histories`` [R, D] as ONNX Runtime computes them from the file, no row of them empty."""
    from onnxruntime import InferenceSession

    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    parts = []
    for begin in range(0, len(histories), block):
        rows = [histories.row(row)[-length:] for row in range(begin, min(begin + block, len(histories)))]
        items: NDArray[np.int64] = np.zeros((len(rows), length), dtype=np.int64)
        for row, history in enumerate(rows):
            items[row, : len(history)] = history.numpy()
        lengths = np.array([len(history) for history in rows], dtype=np.int64)
        parts.append(torch.from_numpy(session.run(None, {"items": items, "lengths": lengths})[0]))
    return torch.cat(parts)
