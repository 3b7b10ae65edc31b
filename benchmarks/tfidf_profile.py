"""The content profile with every word: TF-IDF without a projection, which no 256 numbers an item can hold.

``python -m benchmarks.tfidf_profile DATA`` reads what ``recsys-cl run pipelines/citeulike.toml`` left in the folder DATA, asks
the same question, recall@20 among cold items, and compares user by user with each evaluated recipe (paired, 95 % interval).
It writes ``benchmarks/results/citeulike_tfidf.json``; ``--pipeline citeulike-citations`` does the same for that one. Like
``evaluate`` it opens the test part.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.measure import keep

K = 20


def words(bags: list[str | None], met: int) -> Any:
    """TF-IDF rows of all items; words and their weights are those of the first ``met``."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = []
    for bag in bags:
        pairs = re.findall(r"(\S+?):(\d+)(?=\s|$)", bag or "")
        texts.append(" ".join(" ".join([word] * int(count)) for word, count in pairs))
    weigh = TfidfVectorizer(min_df=2, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b").fit(texts[:met])
    return weigh.transform(texts)


def recalls(profiles: Any, rows: Any, cold: NDArray[np.int64], truth: dict[int, set[int]]) -> dict[int, float]:
    """Recall@20 among the ``cold`` items of each user with something held out."""
    users, candidates = sorted(truth), rows[cold].T.tocsc()
    found: dict[int, float] = {}
    for start in range(0, len(users), 500):
        some = users[start : start + 500]
        scores = (profiles[some] @ candidates).toarray()
        best = cold[np.argsort(-scores, axis=1, kind="stable")[:, :K]]
        found |= {user: len(truth[user] & set(top.tolist())) / len(truth[user]) for user, top in zip(some, best, strict=True)}
    return found


def main() -> None:
    """Everything on the test part; what came before it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pipeline", default="citeulike")
    asked = parser.parse_args()
    home = asked.data / asked.pipeline
    prepared = _newest(home / "prepare", "vocabulary")
    items = pq.read_table(prepared / "vocabulary" / "items.parquet")
    users = pq.read_metadata(prepared / "vocabulary" / "users.parquet").num_rows
    train, valid, test = (_pairs(prepared / part, users, len(items)) for part in ("train", "valid", "test"))
    known = np.concatenate([train, valid], axis=1)
    rows = words(items["bow"].to_pylist(), int(train[1].max()) + 1)
    met = sp.csr_matrix((np.ones(known.shape[1]), (known[0], known[1])), shape=(users, len(items)))
    truth: dict[int, set[int]] = {}
    for user, item in test.T.tolist():
        truth.setdefault(user, set()).add(item)
    cold = np.setdiff1d(np.arange(len(items)), known[1])
    found = recalls((met @ rows).tocsr(), rows, cold, truth)
    figures: dict[str, Any] = {"users": len(found), "cold_items": len(cold), "recall_cold@20": round(_mean(found), 4)}
    for folder in sorted(home.glob("evaluate-*")):
        table = pq.read_table(
            next(folder.glob("*/evaluation*/per_user.parquet")), columns=["user", f"recall_cold@{K}"]
        ).to_pydict()
        ours = dict(zip(table["user"], table[f"recall_cold@{K}"], strict=True))
        less = np.array([ours[user] - found[user] for user in found])
        half = 1.96 * float(less.std(ddof=1)) / len(less) ** 0.5
        name = folder.name.removeprefix("evaluate-")
        figures[name] = {
            "recall_cold@20": round(_mean(ours), 4),
            "difference": round(float(less.mean()), 4),
            "half": round(half, 4),
        }
    keep(f"{asked.pipeline}_tfidf", figures)


def _pairs(path: Path, users: int, items: int) -> NDArray[np.int64]:
    """User and item of each row whose ids are in the vocabulary, [2, N]."""
    table = pq.read_table(path)
    user, item = (table[name].to_numpy().astype(np.int64) for name in ("user", "item"))
    inside = (user < users) & (item < items)
    return np.stack([user[inside], item[inside]])


def _newest(folder: Path, holding: str) -> Path:
    return max((each for each in folder.iterdir() if (each / holding).exists()), key=lambda each: each.stat().st_mtime)


def _mean(values: dict[int, float]) -> float:
    return float(np.mean(list(values.values())))


if __name__ == "__main__":
    main()
