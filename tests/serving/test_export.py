"""What leaves the library answers as the library does."""

import json

import pytest
import torch
from pyarrow import parquet
from safetensors.torch import load_file

from recsys_cl.core.errors import Refused
from recsys_cl.ops.topk import top_k
from recsys_cl.serving.export import Wanted, export, overlap
from recsys_cl.serving.manifest import verify_manifest
from recsys_cl.serving.nearest_items import make_index, read_index, search

faiss = pytest.importorskip("faiss", reason="the extra 'ann' is not installed")


def test_a_flat_index_finds_what_the_library_finds(bundle, tmp_path):
    facts = export(bundle, tmp_path / "out", Wanted("faiss"))
    verify_manifest(tmp_path / "out")
    vectors = load_file(tmp_path / "out" / "items.safetensors")["items"]
    assert torch.equal(vectors, bundle.items)
    assert parquet.read_table(tmp_path / "out" / "items.parquet")["item_id"].to_pylist() == bundle.item_ids.to_pylist()
    found = search(read_index(tmp_path / "out"), bundle.users, 5)
    assert torch.equal(found, top_k(bundle.users, bundle.items, 5).items)
    assert facts["parity"] == 1
    assert json.loads((tmp_path / "out" / "export.json").read_text()) == facts


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_an_index_that_looks_at_all_is_exact_and_one_that_looks_less_finds_less(kind):
    rng = torch.Generator().manual_seed(2)
    items, users = torch.randn(2000, 16, generator=rng), torch.randn(50, 16, generator=rng)
    exact = top_k(users, items, 10).items
    assert overlap(search(make_index(items, kind, 2000), users, 10), exact) > 0.999
    assert overlap(search(make_index(items, kind, 1), users, 10), exact) < 0.9


def test_too_little_parity_is_refused_and_nothing_is_written(bundle_with, tmp_path):
    rng = torch.Generator().manual_seed(2)
    bundle = bundle_with(users=torch.randn(6, 16, generator=rng), items=torch.randn(30, 16, generator=rng))
    with pytest.raises(Refused, match=r"finds \d.*% of the top 10, asked for are 99.90%"):
        export(bundle, tmp_path / "out", Wanted("faiss", "ivf", 1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted("onx"), "format 'onx'; did you mean 'onnx'"),
        (Wanted("faiss", "hsnw"), "did you mean 'hnsw'"),
        (Wanted("faiss", "flat", 3), "looks at everything"),
        (Wanted("onnx"), "no encoder of histories"),
    ],
)
def test_what_cannot_be_exported_is_refused(bundle, tmp_path, wanted, message):
    with pytest.raises(Refused, match=message):
        export(bundle, tmp_path / "out", wanted)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(bundle, tmp_path):
    with pytest.raises(Refused, match="exists already"):
        export(bundle, tmp_path, Wanted("faiss"))


def test_overlap_counts_by_row():
    assert overlap(torch.tensor([[1, 2], [3, 4]]), torch.tensor([[2, 1], [4, 9]])) == 0.75
    assert overlap(torch.tensor([[1, 2], [3, 4]]), torch.tensor([[3, 4], [1, 2]])) == 0


def test_what_stands_after_the_end_of_a_row_is_not_read():
    """The rectangle that ONNX is traced with says of each real place what the library's own flat histories say."""
    from recsys_cl.core.values import Shape
    from recsys_cl.serving.portable import Rectangle
    from recsys_cl.structures.sequences import Sequences

    shape, items = Shape(2, 9), torch.tensor([[1, 2, 3], [4, 5, 6]])
    mine = Rectangle(shape, items, torch.tensor([2, 3]))
    flat = Sequences(shape, items.flatten(), torch.tensor([0, 3, 6]), torch.tensor([1, 5]), 3)
    for name in ("tokens", "offsets", "readout", "rows", "places"):
        assert torch.equal(getattr(mine, name), getattr(flat, name)), name
    assert mine.longest == flat.longest
