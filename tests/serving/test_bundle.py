import json

import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.serving.answer import recommend
from recsys_cl.serving.bundle import read_bundle, write_bundle


def test_comes_back_as_it_was(bundle, tmp_path):
    write_bundle(bundle, tmp_path / "bundle")
    again = read_bundle(tmp_path / "bundle")
    assert again.user_ids.equals(bundle.user_ids)
    assert again.item_ids.equals(bundle.item_ids)
    assert {name: texts.to_pylist() for name, texts in again.about.items()} == {"title": ["a title", None] * 15}
    for name in ("users", "items", "counts"):
        assert torch.equal(getattr(again, name), getattr(bundle, name))
    assert torch.equal(again.seen.values, bundle.seen.values)
    assert torch.equal(again.seen.offsets, bundle.seen.offsets)
    assert again.meta == bundle.meta
    everybody = [*bundle.user_ids, "someone new"]
    assert recommend(again, everybody, 5).equals(recommend(bundle, everybody, 5))


def test_is_data_only(bundle, tmp_path):
    write_bundle(bundle, tmp_path / "bundle")
    kinds = {path.suffix for path in (tmp_path / "bundle").iterdir()}
    assert kinds == {".safetensors", ".parquet", ".json"}


def test_the_same_content_is_the_same_bytes(bundle, tmp_path):
    for name in ("a", "b"):
        write_bundle(bundle, tmp_path / name)
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("a", "b")]
    assert manifests[0] == manifests[1]


def test_nothing_is_written_over(bundle, tmp_path):
    write_bundle(bundle, tmp_path / "bundle")
    with pytest.raises(Refused, match="exists already"):
        write_bundle(bundle, tmp_path / "bundle")


def test_seen_holds_each_item_once(bundle):
    for user in range(len(bundle.seen)):
        row = bundle.seen.row(user).tolist()
        assert row == sorted(set(row))


def test_vectors_that_cannot_serve_are_refused(bundle_with):
    with pytest.raises(Refused, match="items: some vectors are not finite"):
        bundle_with(items=torch.full((30, 4), torch.nan))
    with pytest.raises(Refused, match="users: 5 vectors for a vocabulary of 6"):
        bundle_with(users=torch.zeros(5, 4))


@pytest.mark.parametrize("name", ["vectors.safetensors", "history.safetensors", "users.parquet", "items.parquet", "meta.json"])
def test_a_flipped_bit_anywhere_is_refused(bundle, tmp_path, name):
    write_bundle(bundle, tmp_path / "bundle")
    path = tmp_path / "bundle" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Refused, match=f"{name}: damaged"):
        read_bundle(tmp_path / "bundle")
