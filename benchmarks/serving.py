"""What serving costs: ``python -m benchmarks.serving http | batch | ann | onnx``; each adds to ``results/serving.json``.

``ann`` and ``onnx`` want a trained ``--model``, ``onnx`` real ``--histories`` besides (a file as ``recommend --users`` takes);
``http`` takes a trained one, too, and has random vectors of Gowalla's size without.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS, machine
from recsys_cl.core.values import Shape


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("http", "batch", "ann", "onnx"))
    parser.add_argument("--seconds", type=float, default=60.0, help="http: how long")
    parser.add_argument("--moves", type=int, default=5, help="http: how often the alias moves meanwhile")
    parser.add_argument("--users", type=int, default=1_000_000, help="batch: of the model")
    parser.add_argument("--items", type=int, default=100_000, help="batch: of the model")
    parser.add_argument("--sample", type=int, default=200_000, help="batch: users who are asked for")
    parser.add_argument("--model", help="which; of ann and onnx by default models:/gowalla@champion")
    parser.add_argument("--histories", type=Path, help="onnx: item_ids, oldest first")
    asked = parser.parse_args()
    keep_part(asked.what, _measured(asked))


def _measured(asked: argparse.Namespace) -> dict[str, Any]:
    if asked.what == "http":
        from benchmarks.serving_http import load

        return load(asked.seconds, asked.moves, asked.model)
    if asked.what == "batch":
        from benchmarks.serving_batch import batch

        return batch(Shape(asked.users, asked.items), asked.sample)
    from benchmarks.serving_ann import encoder, indexes

    model = asked.model or "models:/gowalla@champion"
    return indexes(model) if asked.what == "ann" else encoder(model, asked.histories)


def keep_part(name: str, figures: dict[str, Any]) -> None:
    """Put ``figures`` under ``name`` into the results, beside the other parts."""
    path = RESULTS / "serving.json"
    whole = json.loads(path.read_text("utf-8")) if path.exists() else {}
    whole[name] = {"machine": machine(), "date": datetime.now(UTC).date().isoformat(), **figures}
    path.write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    print(json.dumps({name: figures}, indent=2))


if __name__ == "__main__":
    main()
