"""Texts as a language model sees them: vectors of a sentence-transformers model that lies in a local folder.

Reimers and Gurevych, 2019, EMNLP, arXiv:1908.10084.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import PositiveInt

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.files import digest_file, digest_json
from recsys_cl.ingest.features._column import Known, Learned, texts, texts_to_read

_UNSAFE = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".py")
"""Endings of files whose loading may run code; weights are read from safetensors alone."""


class Sentences:
    """Each item's text as one vector of length 1, made by a model in ``folder``; nothing is fetched from anywhere.

    An item without text is one whose text is not known. Needs the extra ``text``.

    Args:
        name: of the modality.
        folder: a saved sentence-transformers model: ``modules.json`` and weights as safetensors.
        columns: of the item table, joined; the one of the modality's name where absent.
        batch_size: texts that are read at once.
    """

    def __init__(self, name: str, folder: str, columns: tuple[str, ...] = (), batch_size: PositiveInt = 64) -> None:
        self.name, self.columns, self.batch_size = name, columns or (name,), batch_size
        self.folder = Path(os.path.expandvars(folder)).expanduser()

    def fit(self, items: pa.Table) -> Learned:
        """What the folder holds: later items must be read by the same model.

        Raises:
            Refused: no such column, or ``folder`` is no such model.
        """
        texts(items, self.columns, self.name)
        return {"digest": pa.array([self._digest()])}

    def __call__(self, items: pa.Table, learned: Learned) -> Known:
        """The texts of ``items`` [I, D].

        Raises:
            Refused: the folder is not the one that was learned from.
            Unavailable: the extra ``text`` is not installed.
        """
        if self._digest() != learned["digest"][0].as_py():
            raise Refused(f"{self._key()}: {self.folder} is not the model that the items of train were read by")
        found = texts_to_read(items, self.columns)
        present = np.array([bool(text.strip()) for text in found], np.bool_)
        there = [text for text, known in zip(found, present, strict=True) if known]
        made = self._model().encode(
            there or [""], batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        values = np.zeros((len(found), made.shape[1]), np.float32)
        values[present] = made[: len(there)]
        return Known(values, present)

    def _digest(self) -> str:
        if not (self.folder / "modules.json").is_file():
            raise Refused(f"{self._key()}: {self.folder} holds no sentence-transformers model (no modules.json)")
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        unsafe = next((path for path in files if path.suffix.lower() in _UNSAFE), None)
        if unsafe is not None:
            raise Refused(f"{unsafe}: loading this could run code; save the model with safetensors and without code of its own")
        return digest_json({path.relative_to(self.folder).as_posix(): digest_file(path) for path in files})

    def _model(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise Unavailable(f"{self._key()}: needs the extra 'text': pip install 'recsys-cl[text]'") from error
        try:
            return SentenceTransformer(
                str(self.folder), device="cpu", local_files_only=True, model_kwargs={"use_safetensors": True}
            )
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise Refused(f"{self._key()}: {self.folder} cannot be loaded: {error}") from error

    def _key(self) -> str:
        return f"prepare.features.{self.name}.folder"
