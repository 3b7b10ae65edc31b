"""Texts read by a language model from a folder: a tiny one, made here, with weights drawn at random."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Shape
from recsys_cl.ingest.dataset import load_features
from recsys_cl.ingest.features.sentences import Sentences
from recsys_cl.ingest.preparing.content import content_of

TITLES = ["a red shoe", "a blue shoe", None, "a red shoe", " "]


def table(titles: list[str | None] = TITLES) -> pa.Table:
    return pa.table({"item_id": [f"i{at}" for at in range(len(titles))], "title": titles})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer and eight units with a vocabulary of nine words, its states averaged."""
    pytest.importorskip("sentence_transformers", reason="the extra 'text' is not installed")
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    plain, made = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("made")
    (plain / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "shoe"]) + "\n"
    )
    torch.manual_seed(1)
    config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    BertModel(config).save_pretrained(plain)
    BertTokenizerFast(str(plain / "vocab.txt")).save_pretrained(plain)
    reader = Transformer(str(plain))
    SentenceTransformer(modules=[reader, Pooling(8)], device="cpu").save(str(made))
    return made


def test_texts_become_vectors_of_length_one_and_missing_ones_are_masked(folder: Path) -> None:
    reading = Sentences("about", str(folder), ("title",))
    found = reading(table(), reading.fit(table()))
    assert found.values.shape == (5, 8)
    assert found.present.tolist() == [True, True, False, True, False]
    assert np.allclose(np.linalg.norm(found.values[found.present], axis=1), 1, atol=1e-5)
    assert np.allclose(found.values[0], found.values[3], atol=1e-6)
    assert not np.allclose(found.values[0], found.values[1], atol=1e-3)


def test_a_new_item_is_read_alone_as_among_others(folder: Path) -> None:
    reading = Sentences("title", str(folder), batch_size=2)
    learned = reading.fit(table())
    among, alone = reading(table(), learned), reading(table(["a blue shoe"]), learned)
    assert np.allclose(among.values[1], alone.values[0], atol=1e-5)
    assert not reading(pa.table({"item_id": ["x"]}), learned).present.any()


def test_another_model_in_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "model"
    moved.mkdir()
    for path in folder.rglob("*"):
        if path.is_file():
            (moved / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (moved / path.relative_to(folder)).write_bytes(path.read_bytes())
    reading = Sentences("title", str(moved))
    learned = reading.fit(table())
    (moved / "README.md").write_text("another one")
    with pytest.raises(Refused, match=r"prepare\.features\.title\.folder: .* is not the model"):
        reading(table(), learned)


def test_prepared_sentences_come_back_as_vectors(folder: Path, tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "items.parquet")
    asked = {"title": Component(use="sentences", folder=str(folder))}
    made = content_of(pa.array(["i0", "i1", "i2"]), tmp_path / "items.parquet", asked, cold=False)
    pq.write_table(made.vectors, tmp_path / "features.parquet")
    found = load_features(tmp_path, Shape(1, 3))
    assert found is not None
    assert found.modalities["title"].values.shape == (3, 8)
    assert found.modalities["title"].present.tolist() == [True, True, False]


def fake(tmp_path: Path, *more: str) -> Path:
    (tmp_path / "modules.json").write_text(json.dumps([]))
    for name in more:
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_a_folder_that_is_no_model_is_refused_by_key(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"prepare\.features\.title\.folder: .*modules\.json"):
        Sentences("title", str(tmp_path)).fit(table())


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.PT", "modeling.py"])
def test_what_could_run_code_is_refused_before_it_is_loaded(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match=f"{name}: loading this could run code"):
        Sentences("title", str(fake(tmp_path, name))).fit(table())


def test_without_the_extra_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    reading = Sentences("title", str(fake(tmp_path)))
    with pytest.raises(Unavailable, match=r"recsys-cl\[text\]"):
        reading(table(), reading.fit(table()))
