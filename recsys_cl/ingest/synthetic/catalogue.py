"""The item table of a made-up shop: titles, categories, and features that tell an item's community through noise."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.random import Generator
from numpy.typing import NDArray

from recsys_cl.core.chance import derive
from recsys_cl.ingest.synthetic.planted import Planted
from recsys_cl.ingest.synthetic.words import ADJECTIVES, CATEGORIES

SIDE = 8
"""Images are ``SIDE`` x ``SIDE`` pixels of red, green and blue."""

TEXT = 16
"""Numbers in a text feature."""


def identifiers(prefix: str, numbers: NDArray[np.int32]) -> pa.Array:
    """Ids like ``item-000123``, [N]."""
    digits = max(6, len(str(len(numbers) - 1)))
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0"), "-")


def catalogue(planted: Planted) -> pa.Table:
    """One row per item, in order of ids.

    Columns: ``item_id``; ``title``; ``category``, the community's name; ``image``, 8 x 8 x 3 pixels (uint8, row by row);
    ``text``, sixteen float32. Features are the community's own plus noise of the item.
    """
    rng = np.random.default_rng(derive(planted.world.seed, "synthetic", "catalogue"))
    rows = np.argsort(planted.item_numbers)
    community = planted.community[rows]
    count = planted.world.communities
    return pa.table(
        {
            "item_id": identifiers("item", planted.item_numbers[rows]),
            "title": _titles(rng, community, planted.item_numbers[rows]),
            "category": pa.array(_categories(count)).take(pa.array(community)),
            "image": _lists(_images(rng, community, count)),
            "text": _lists(_texts(rng, community, count)),
        }
    )


def _categories(count: int) -> list[str]:
    """A name for each community; past the last word they are numbered."""
    names = tuple(CATEGORIES)
    return [names[c % len(names)] + (f" {c // len(names) + 1}" if c >= len(names) else "") for c in range(count)]


def _titles(rng: Generator, community: NDArray[np.int16], numbers: NDArray[np.int32]) -> pa.Array:
    nouns = np.array(list(CATEGORIES.values()))
    noun = nouns[community % len(nouns), rng.integers(nouns.shape[1], size=len(community))]
    adjective = np.array(ADJECTIVES)[rng.integers(len(ADJECTIVES), size=len(community))]
    return pc.binary_join_element_wise(pa.array(adjective), pa.array(noun), pa.array(numbers).cast(pa.string()), " ")


def _images(rng: Generator, community: NDArray[np.int16], count: int) -> NDArray[np.uint8]:
    """[I, 192]: stripes in the community's colour, direction and width, under noise."""
    colour = rng.uniform(60, 195, (count, 1, 1, 3))
    wave = rng.uniform(-1.5, 1.5, (count, 2))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    stripes = np.sin(wave[:, :1, None] * rows + wave[:, 1:, None] * columns)[..., None]
    plain = (colour + 50 * stripes).astype(np.int16).reshape(count, -1)
    noise = rng.integers(-40, 41, (len(community), SIDE * SIDE * 3), dtype=np.int16)
    return np.asarray(np.clip(plain[community] + noise, 0, 255), dtype=np.uint8)


def _texts(rng: Generator, community: NDArray[np.int16], count: int) -> NDArray[np.float32]:
    """[I, 16]: the community's direction plus noise of equal length."""
    centres = rng.standard_normal((count, TEXT), dtype=np.float32)
    return centres[community] + rng.standard_normal((len(community), TEXT), dtype=np.float32)


def _lists(values: NDArray[np.generic]) -> pa.Array:
    """Rows [N, W] as a list column."""
    offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1)))
