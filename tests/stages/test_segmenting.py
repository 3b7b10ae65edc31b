"""A column of a user table and one of an item table, from their files to the segments of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path

from recsys_cl.stages.pipeline import run_pipeline

PIPELINE = """
name = "shop"
[ingest]
users = "{home}/users.csv"
user_columns = {{ user_id = "customer" }}
[ingest.source]
use = "csv"
path = "{home}/log.csv"
items = "{home}/items.csv"
[prepare]
split = {{ use = "leave_last_out" }}
[[experiments]]
recipe = "popular"
[evaluation]
ks = [3, 20]
segments = ["country", "age", "category"]
category_separator = "|"
"""


def test_columns_of_users_and_items_divide_the_evaluation(tmp_path: Path) -> None:
    log = [f"u{user},i{(user * 7 + turn * turn) % 11},{1000 + turn}" for user in range(40) for turn in range(8)]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *log]))
    (tmp_path / "items.csv").write_text("\n".join(["item_id,category", *(f"i{n},{'ab'[n % 2]}|c" for n in range(11))]))
    users = [f"u{n},{'AT' if n % 4 else 'FR'},{n + 20}" for n in range(39)]
    (tmp_path / "users.csv").write_text("\n".join(["customer,country,age", *users]))
    path = tmp_path / "shop.toml"
    path.write_text(PIPELINE.format(home=tmp_path))
    run_pipeline(path, (), tmp_path / "data", f"sqlite:///{tmp_path}/mlruns/mlflow.db", lambda *_: None, until="evaluate")
    folder = next((tmp_path / "data" / "shop").glob("evaluate-popular/*/evaluation-popular"))
    found = json.loads((folder / "segments.json").read_text())
    whole = json.loads((folder / "metrics.json").read_text())
    users_of = {(row["by"], row["segment"]): row["users"] for row in found}
    assert [users_of["country", label] for label in ("AT", "FR", "unknown")] == [29, 10, 1]
    assert sum(count for (by, label), count in users_of.items() if by == "age" and " to " in label) == 39
    assert {label for by, label in users_of if by == "category"} == {"a", "b", "other", "unknown"}
    for by in ("country", "age", "category"):
        shares = [row["share"]["recall@3"] for row in found if row["by"] == by]
        assert abs(sum(shares) - whole["test"]["recall@3"]) < 1e-12, by
