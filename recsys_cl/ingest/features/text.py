"""Texts as the leading directions of their words: TF-IDF and a truncated SVD, which is latent semantic analysis.

Deerwester et al., 1990, doi:10.1002/(SICI)1097-4571(199009)41:6<391::AID-ASI1>3.0.CO;2-9.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
from pydantic import PositiveInt

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.features._column import Known, texts


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

    def __call__(self, items: pa.Table) -> Known:
        """The texts of ``items`` [I, dim].

        Raises:
            Refused: no such column, or no two items share a word.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        found = texts(items, self.columns, self.name)
        bags = [_spelled_out(text, self.counts) for text in found] if self.counts else found
        weigh = TfidfVectorizer(min_df=2, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
        try:
            weights = weigh.fit_transform(bags)
        except ValueError as error:  # what it says of an empty vocabulary
            raise Refused(f"prepare.features.{self.name}: no two items share a word in {', '.join(self.columns)}") from error
        present = np.diff(weights.indptr) > 0
        dim = min(self.dim, weights.shape[1], int(present.sum()))
        projected = TruncatedSVD(dim, random_state=0).fit(weights[present]).transform(weights)
        lengths = np.linalg.norm(projected, axis=1, keepdims=True)
        return Known((projected / np.maximum(lengths, 1e-12)).astype(np.float32), present & (lengths[:, 0] > 1e-12))


def _spelled_out(bag: str, mark: str) -> str:
    """``museum:2 kiosk:1`` as ``museum museum kiosk``."""
    pairs = re.findall(rf"(\S+?){re.escape(mark)}(\d+)(?=\s|$)", bag)
    return " ".join(" ".join([word] * min(int(count), 1000)) for word, count in pairs)
