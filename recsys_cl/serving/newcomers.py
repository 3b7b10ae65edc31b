"""Items that came after training, by their content: their vectors, from weights that no user or item owns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recsys_cl.config import Recipe
from recsys_cl.core.build import build, resolve
from recsys_cl.core.chance import generator
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import KnowsContent
from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape
from recsys_cl.ingest.features._column import Known
from recsys_cl.ingest.preparing.content import read_new

if TYPE_CHECKING:
    import pyarrow

_LEARNED, _WEIGHTS = "learned.parquet", "newcomers.safetensors"
_BLOCK = 100_000
"""Items that are encoded at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Newcomers:
    """What a model needs to know new items.

    Args:
        recipe: of the model.
        learned: by which content is read, see ``ingest/preparing/content.py``.
        weights: the trained weights that no user or item owns.
    """

    recipe: Recipe
    learned: pyarrow.Table
    weights: Mapping[str, Tensor]

    def write(self, folder: Path) -> None:
        """Put it beside a bundle's other files."""
        from pyarrow import parquet
        from safetensors.torch import save_file

        parquet.write_table(self.learned, folder / _LEARNED, write_page_checksum=True)
        save_file({name: value.contiguous() for name, value in self.weights.items()}, folder / _WEIGHTS)

    @torch.no_grad()
    def vectors(self, items: pyarrow.Table) -> tuple[Tensor, Tensor]:
        """Vectors [N, D] of the rows of an item table, and which of them have any content, [N] bool.

        Raises:
            Refused: a column makes no sense.
        """
        told = read_new(items, self.learned)
        whole = _features(told)
        method = _method(self.recipe, told)
        method.module.load_state_dict(dict(self.weights), strict=False)
        method.module.eval()
        blocks = []
        for start in range(0, len(items), _BLOCK):
            part = slice(start, start + _BLOCK)
            blocks.append(method.by_content(whole.take(torch.arange(len(items))[part])).float())
        return torch.cat(blocks), whole.known


def read_newcomers(folder: Path, recipe: Mapping[str, Any]) -> Newcomers | None:
    """What `Newcomers.write` left beside a bundle; None where nothing is."""
    from pyarrow import parquet
    from safetensors.torch import load_file

    if not (folder / _LEARNED).exists():
        return None
    learned = parquet.read_table(folder / _LEARNED, page_checksum_verification=True)
    return Newcomers(Recipe.model_validate_json(json.dumps(recipe)), learned, load_file(folder / _WEIGHTS))


def newcomers_of(recipe: Mapping[str, Any], vocabulary: Path, weights: Path) -> Newcomers | None:
    """What a trained model needs to know new items; None where its recipe reads no content.

    Args:
        recipe: as JSON.
        vocabulary: its folder, with ``learned.parquet`` where content was declared.
        weights: its trained weights.
    """
    from pyarrow import parquet
    from safetensors.torch import load_file

    made, path = Recipe.model_validate_json(json.dumps(recipe)), vocabulary / _LEARNED
    if not path.is_file() or not hasattr(resolve("encoders", made.encoder.use, "encoder"), "by_content"):
        return None
    learned = parquet.read_table(path, page_checksum_verification=True)
    wanted = _method(made, read_new(_somebody(), learned)).module.state_dict()
    kept = {name: value for name, value in load_file(weights).items() if name in wanted and value.shape == wanted[name].shape}
    return Newcomers(made, learned, kept)


def _features(told: Mapping[str, Known]) -> ItemFeatures:
    return ItemFeatures(
        {
            name: Modality(torch.from_numpy(known.values), torch.from_numpy(known.present), known.shape)
            for name, known in told.items()
        }
    )


def _method(recipe: Recipe, told: Mapping[str, Known]) -> Any:
    """The method around one user and one item, whose content is like ``told``."""
    one, shape = torch.zeros(1, dtype=torch.int64), Shape(1, 1)
    context: dict[str, Any] = {
        "shape": shape,
        "interactions": Interactions(shape, one, one, one),
        "features": _features(told).take(one),
        "rng": generator(0, "unused"),
    }
    encoder = build("encoders", recipe.encoder, "encoder", **context)
    method = build("methods", recipe.method, "method", encoder=encoder, views=(), main_view=None, objectives={}, **context)
    if not isinstance(encoder, KnowsContent) or not isinstance(method, KnowsContent):
        raise Refused(f"new items: '{recipe.title}' does not know items by their content alone")
    return method


def _somebody() -> pyarrow.Table:
    """An item of which nothing is known."""
    import pyarrow as pa

    return pa.table({"item_id": ["somebody"]})
