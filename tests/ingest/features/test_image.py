"""Images: decoded to one size, absent where there are none, refused by item where they are no images or too large."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image as Pillow

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import ItemFeatures, Modality, Shape
from recsys_cl.ingest.dataset import load_features
from recsys_cl.ingest.features.image import Image
from recsys_cl.ingest.preparing.content import content_of
from recsys_cl.ingest.reading.features import item_files
from recsys_cl.ingest.reading.item_table import read_items


def file(colour: tuple[int, int, int], kind: str = "PNG", side: int = 20) -> bytes:
    data = BytesIO()
    Pillow.new("RGB", (side, side), colour).save(data, kind)
    return data.getvalue()


def table(*files: bytes | None) -> pa.Table:
    ids = [f"i{row}" for row in range(len(files))]
    return pa.table({"item_id": ids, "photo": pa.array(files, pa.binary())})


def test_colours_are_standardised_over_the_images_learned_from() -> None:
    items = table(file((255, 0, 0)), None, file((0, 0, 0), "JPEG"), file((255, 0, 0), "BMP"), b"")
    reading = Image("photo", size=8)
    known = reading(items, reading.fit(items))
    assert known.shape == (3, 8, 8)
    assert known.present.tolist() == [True, False, True, True, False]
    red = known.values.reshape(5, 3, 64)[:, 0]
    assert red[[0, 2, 3]].mean() == pytest.approx(0, abs=1e-5)
    assert red[0, 0] == pytest.approx(0.5**0.5, abs=1e-3)
    assert not known.values[[1, 4]].any()


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a kilobyte whose header promises gigabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no image at all", "not a readable image"),
        (file((1, 2, 3))[:60], "not a readable image"),
        (bomb(), "60000 x 60000 pixels|not a readable image"),
        (bomb(9000, 9000), "9000 x 9000 pixels"),
        (b"%PDF-1.4", "not a readable image"),
    ],
)
def test_what_is_no_image_is_refused_by_item(data: bytes, message: str) -> None:
    items = table(file((255, 0, 0)), data)
    with pytest.raises(Refused, match=rf"features\.photo: column 'photo' of item 'i1': ({message})"):
        Image("photo", size=8).fit(items)


def test_other_columns_are_refused() -> None:
    with pytest.raises(Refused, match="holds string, neither the bytes of image files nor lists of pixels"):
        Image("item_id").fit(table(None))


def test_pixels_may_be_given_as_numbers() -> None:
    picture = [9] * 3 + [0] * 9  # the pixel at the top left is 9, 9, 9
    items = pa.table({"item_id": ["a", "b"], "photo": pa.array([picture, None], pa.list_(pa.uint8()))})
    reading = Image("photo", size=4)
    known = reading(items, {"mean": pa.array([0.0] * 3), "deviation": pa.array([1.0] * 3)})
    assert known.present.tolist() == [True, False]
    assert known.values[0].reshape(3, 4, 4)[1].tolist() == [[9, 9, 0, 0], [9, 9, 0, 0], [0] * 4, [0] * 4]
    for wrong in ([1, 2, 3, 4], [256] * 3, [None] * 3):
        bad = pa.table({"item_id": ["a"], "photo": pa.array([wrong], pa.list_(pa.int64()))})
        with pytest.raises(Refused, match=r"item 'a': \d+ numbers are no square"):
            reading.fit(bad)


def test_a_folder_of_files_is_a_column(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(file((9, 9, 9)))
    (tmp_path / "photos" / "stranger.png").write_bytes(file((9, 9, 9)))
    pq.write_table(pa.table({"item_id": ["a", "b", "../a"]}), tmp_path / "items.parquet")
    found = read_items(tmp_path / "items.parquet", {"photo": "photos/"})
    assert [each is not None for each in found["photo"].to_pylist()] == [True, False, False]
    assert [each.name for each in item_files(str(tmp_path / "items.parquet"), {"photo": "photos/"})] == [
        "items.parquet",
        "a.png",
        "stranger.png",
    ]
    (tmp_path / "photos" / "a.png").unlink()
    with pytest.raises(Refused, match="no file is named by an id"):
        read_items(tmp_path / "items.parquet", {"photo": "photos/"})


def test_their_shape_travels_with_them(tmp_path: Path) -> None:
    items = table(file((255, 0, 0)), file((0, 255, 0)))
    pq.write_table(items, tmp_path / "items.parquet", write_page_checksum=True)
    features = {"photo": Component.model_validate({"use": "image", "size": 8})}
    content = content_of(items["item_id"].combine_chunks(), tmp_path / "items.parquet", features, cold=False)
    pq.write_table(content.vectors, tmp_path / "features.parquet", write_page_checksum=True)
    found = load_features(tmp_path, Shape(1, 2)).modalities["photo"]
    assert found.shape == (3, 8, 8)
    assert found.to(torch.device("cpu")).take(torch.tensor([1])).shape == (3, 8, 8)


@pytest.mark.slow
def test_a_network_learns_to_look_end_to_end() -> None:
    """Which of two shapes is drawn, wherever it stands: no affine map of pixels can tell."""
    rng = np.random.default_rng(0)
    drawn = np.zeros((240, 3, 16, 16), np.float32)
    kind = rng.integers(0, 2, 240)
    for image, each in zip(drawn, kind, strict=True):
        row, left = rng.integers(0, 12, 2)
        if each:
            image[:, row : row + 4, left] = 3.0
        else:
            image[:, row, left : left + 4] = 3.0
    pixels = Modality(torch.from_numpy(drawn.reshape(240, -1)), torch.ones(240, dtype=torch.bool), (3, 16, 16))
    shape, features = Shape(1, 240), ItemFeatures({"photo": pixels})
    context = {"shape": shape, "rng": torch.Generator().manual_seed(1), "features": features}
    encoder = build("encoders", Component(use="modal", dim=8, layers=0), "encoder", **context)
    optimizer = torch.optim.Adam(encoder.towers.parameters(), lr=1e-2)
    target = torch.from_numpy(kind[:200]).float()
    for _ in range(60):
        optimizer.zero_grad()
        told = encoder.by_content(features.take(torch.arange(200)))
        torch.nn.functional.binary_cross_entropy_with_logits(told[:, 0] * 4, target).backward()
        optimizer.step()
    with torch.no_grad():
        right = ((encoder.by_content(features)[200:, 0] > 0) == torch.from_numpy(kind[200:] > 0)).float().mean()
    assert right > 0.9
