"""Image files become pixels of one size; what is no image, or too large to be one, is refused before it is decoded."""

from __future__ import annotations

import math
import struct
import warnings
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused, Unavailable

MOST_PIXELS = 50_000_000
"""Of one image; a header that promises more is a decompression bomb or a map of the world."""
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


def pixels(data: bytes, size: int, who: str) -> NDArray[np.uint8]:
    """The image in ``data``, [3, size, size] from 0 to 255; its sides are scaled each by itself.

    Args:
        data: an image file.
        size: of both sides.
        who: whose image it is, for messages.

    Raises:
        Refused: it is none, is damaged, or has more than 50 million pixels.
        Unavailable: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise Unavailable("images need Pillow: pip install pillow") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(BytesIO(data), formats=_FORMATS) as image:  # reads the header alone
                if image.width * image.height > MOST_PIXELS:
                    raise Refused(f"{who}: {image.width} x {image.height} pixels, at most {MOST_PIXELS:,} are decoded")
                image.draft("RGB", (size, size))
                found = np.asarray(image.convert("RGB").resize((size, size)), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Warning, Image.DecompressionBombError) as error:
        said = str(error).partition(" <")[0]  # Pillow names the object that it read from
        raise Refused(f"{who}: not a readable image: {said}") from error
    return found.transpose(2, 0, 1)


def drawn(values: list[int | None], size: int, who: str) -> NDArray[np.uint8]:
    """The image whose pixels ``values`` are, row by row, red, green and blue of each; as `pixels` gives it.

    Raises:
        Refused: they are no square, or not all whole numbers from 0 to 255.
    """
    side = math.isqrt(len(values) // 3)
    if len(values) != 3 * side * side or any(value is None or not 0 <= value <= 255 for value in values):
        raise Refused(f"{who}: {len(values)} numbers are no square of red, green and blue from 0 to 255")
    found = np.asarray(values, dtype=np.uint8).reshape(side, side, 3)
    places = (np.arange(size) * side) // size
    return found[places[:, None], places].transpose(2, 0, 1)
