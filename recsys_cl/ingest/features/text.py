"""Texts as the leading directions of their words: TF-IDF and a truncated SVD, which is latent semantic analysis.

Deerwester et al., 1990, doi:10.1002/(SICI)1097-4571(199009)41:6<391::AID-ASI1>3.0.CO;2-9.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import PositiveInt

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.features._column import Known, Learned, texts, texts_to_read


class Text:
    """Each item's words, weighted by (1 + log count) idf, projected on ``dim`` directions; vectors of length 1.

    An item without text, or with no word that another item has too, is one whose text is not known.

    Args:
        name: of the modality.
        columns: of the item table, joined; the one of the modality's name where absent.
        dim: length of a vector; fewer where there are fewer words or items.
        counts: what stands between a word and its count where texts are bags of words: ``":"`` for ``museum:4 kiosk:1``.
    """

    def __init__(self, name: str, columns: tuple[str, ...] = (), dim: PositiveInt = 64, counts: str = "") -> None:
        self.name, self.columns, self.dim, self.counts = name, columns or (name,), dim, counts

    def fit(self, items: pa.Table) -> Learned:
        """The words that two of ``items`` share, their weights, and the leading directions [dim x words].

        Raises:
            Refused: no such column, or no two items share a word.
        """
        from sklearn.decomposition import TruncatedSVD

        weigh = self._weigh(min_df=2)
        try:
            weights = weigh.fit_transform(self._bags(texts(items, self.columns, self.name)))
        except ValueError as error:  # what it says of an empty vocabulary
            raise Refused(f"prepare.features.{self.name}: no two items share a word in {', '.join(self.columns)}") from error
        some = weights[np.diff(weights.indptr) > 0]
        dim = min(self.dim, weights.shape[1], some.shape[0])
        directions = TruncatedSVD(dim, random_state=0).fit(some).components_
        words = weigh.get_feature_names_out().tolist()
        return {"words": pa.array(words), "idf": pa.array(weigh.idf_), "directions": pa.array(directions.reshape(-1))}

    def __call__(self, items: pa.Table, learned: Learned) -> Known:
        """The texts of ``items`` [I, dim], in the words that were ``learned``."""
        words, idf = learned["words"].to_pylist(), learned["idf"].to_numpy()
        weigh = self._weigh(vocabulary=words)
        weigh.idf_ = idf
        weights = weigh.transform(self._bags(texts_to_read(items, self.columns)))
        projected = weights @ learned["directions"].to_numpy().reshape(-1, len(words)).T
        lengths = np.linalg.norm(projected, axis=1, keepdims=True)
        return Known((projected / np.maximum(lengths, 1e-12)).astype(np.float32), lengths[:, 0] > 1e-12)

    def _weigh(self, **more: Any) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", **more)

    def _bags(self, found: Sequence[str]) -> list[str]:
        return [_spelled_out(text, self.counts) for text in found] if self.counts else list(found)


def _spelled_out(bag: str, mark: str) -> str:
    """``museum:2 kiosk:1`` as ``museum museum kiosk``."""
    pairs = re.findall(rf"(\S+?){re.escape(mark)}(\d+)(?=\s|$)", bag)
    return " ".join(" ".join([word] * min(int(count), 1000)) for word, count in pairs)
