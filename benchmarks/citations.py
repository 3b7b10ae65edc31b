"""CiteULike's articles with what they cite: an item table for ``pipelines/citeulike-citations.toml``.

``python -m benchmarks.citations`` writes ``data/citeulike/items.parquet``. An article's citations are there when it appears, so
they tell of one that nobody has met; who cites it later is told, too, as the published graph has no direction in time.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from benchmarks.transfer import REAL_DATA

OUT = Path("data") / "citeulike" / "items.parquet"


def bag(text: object) -> Counter[str]:
    """The words of ``word:3 other:1`` with their counts; none of what is no text."""
    return Counter(
        {word: int(count) for word, count in re.findall(r"(\S+?):(\d+)(?=\s|$)", text if isinstance(text, str) else "")}
    )


def with_citations(items: pd.DataFrame, citations: pd.DataFrame) -> pd.DataFrame:
    """``items`` and two bags more: ``cites``, the article itself and those it is linked with; ``around``, all their words."""
    known = set(items["item"])
    linked: dict[int, set[int]] = {item: {item} for item in known}
    for one, other in zip(citations["item"], citations["cites"], strict=True):
        if one in known and other in known:
            linked[one].add(other)
            linked[other].add(one)
    own = {item: bag(text) for item, text in zip(items["item"], items["bow"], strict=True)}
    cites, around = [], []
    for item in items["item"]:
        several = sorted(linked[item])
        cites.append(" ".join(f"a{each}:1" for each in several))
        words = sum((own[each] for each in several), Counter[str]())
        around.append(" ".join(f"{word}:{count}" for word, count in sorted(words.items())))
    return items.assign(cites=cites, around=around)


def main() -> None:
    """Read, link and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out
    source = REAL_DATA / "citeulike-t"
    made = with_citations(pd.read_parquet(source / "items.parquet"), pd.read_parquet(source / "citations.parquet"))
    out.parent.mkdir(parents=True, exist_ok=True)
    made.drop(columns="tags").to_parquet(out, index=False)  # tags are what users wrote: they would tell who comes


if __name__ == "__main__":
    main()
