"""The plane through item vectors: planted axes are found, and drawn the same way every time."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from recsys_cl.stages.item_map import DRAWN, item_maps, principal

KINDS = ["x", "", "z", ""]


def keep(folder: Path, vectors: np.ndarray[Any, Any]) -> Path:
    save_file(
        {"items": vectors.astype(np.float32), "users": np.zeros((1, vectors.shape[1]), np.float32)},
        folder / "vectors.safetensors",
    )
    return folder


def test_planted_axes_are_found_in_order_of_their_variance() -> None:
    rng = np.random.default_rng(0)
    plane, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    coordinates = rng.normal(size=(400, 6)) * [5, 3, 0.1, 0.1, 0.1, 0.1]
    places, explained = principal(coordinates @ plane.T + 7)
    centred = coordinates - coordinates.mean(0)
    for axis in (0, 1):
        assert abs(np.corrcoef(places[:, axis], centred[:, axis])[0, 1]) > 0.999
    assert explained == pytest.approx((25 + 9) / (25 + 9 + 0.04), abs=0.005)


def test_the_picture_does_not_depend_on_the_sign_of_the_axes() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 4))
    places, _ = principal(vectors)
    mirrored, _ = principal(-vectors)
    assert (np.take_along_axis(places, np.abs(places).argmax(0)[None], 0) > 0).all()
    assert np.allclose(np.abs(places), np.abs(mirrored))


def test_points_carry_title_and_category(tmp_path: Path) -> None:
    folder = keep(tmp_path, np.random.default_rng(2).normal(size=(4, 3)))
    (made,) = item_maps("sgl", folder, KINDS, list("ABCD"), np.array([9, 5, 1, 1]))
    assert [(category, text) for _, _, category, text in made.points] == [("x", "A"), ("", "B"), ("z", "C"), ("", "D")]
    assert made.note.startswith("all of them.")


def test_of_many_items_those_met_most_often_are_drawn(tmp_path: Path) -> None:
    count = DRAWN + 100
    folder = keep(tmp_path, np.random.default_rng(3).normal(size=(count, 3)))
    (made,) = item_maps("sgl", folder, [""] * count, [str(n) for n in range(count)], np.arange(count))
    assert [text for *_, text in made.points] == [str(n) for n in range(100, count)]


@pytest.mark.parametrize(
    "vectors", [np.full((4, 3), np.nan), np.zeros((4, 1)), np.zeros((2, 3))], ids=["nan", "one axis", "two items"]
)
def test_what_has_no_plane_is_not_drawn(tmp_path: Path, vectors: np.ndarray[Any, Any]) -> None:
    assert item_maps("sgl", keep(tmp_path, vectors), KINDS, list("ABCD"), np.ones(4, np.int64)) == []
    assert item_maps("sgl", tmp_path / "nowhere", KINDS, list("ABCD"), np.ones(4, np.int64)) == []


def test_equal_vectors_are_one_point_and_no_error(tmp_path: Path) -> None:
    (made,) = item_maps("sgl", keep(tmp_path, np.ones((4, 3))), KINDS, list("ABCD"), np.ones(4, np.int64))
    assert {(round(x, 9), round(y, 9)) for x, y, *_ in made.points} == {(0.0, 0.0)}


def test_umap_is_drawn_too_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class UMAP:
        def __init__(self, **settings: object) -> None:
            assert settings["random_state"] == 0

        def fit_transform(self, vectors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            return vectors[:, :2]

    module = ModuleType("umap")
    module.__spec__ = type(sys.__spec__)("umap", None)
    monkeypatch.setitem(sys.modules, "umap", module)
    monkeypatch.setattr(module, "UMAP", UMAP, raising=False)
    folder = keep(tmp_path, np.random.default_rng(2).normal(size=(4, 3)))
    maps = item_maps("sgl", folder, KINDS, list("ABCD"), np.ones(4, np.int64))
    assert [one.method for one in maps] == ["PCA", "UMAP"]
