import json

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.serving import recommend as batch
from recsys_cl.serving import sink
from recsys_cl.serving.answer import recommend
from recsys_cl.serving.askers import read_people
from recsys_cl.serving.manifest import verify_manifest
from recsys_cl.serving.recommend import recommend_to
from recsys_cl.serving.rules import read_filters

ASKED = ["u004", "nobody", "007", "u000", "u004"]


def write_users(path, ids):
    match path.suffix:
        case ".csv":
            pd.DataFrame({"name": "x,y", "user_id": ids}).to_csv(path, index=False)
        case ".jsonl":
            path.write_text("".join(json.dumps({"user_id": i, "age": 3}) + "\n" for i in ids))
        case ".parquet":
            parquet.write_table(pa.table({"age": [3] * len(ids), "user_id": ids}), path)
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_file_of_users_gets_the_answer_of_predict(bundle, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(batch, "GROUP", 6)  # two users a batch
    users = write_users(tmp_path / f"users.{kind}", ASKED)
    counts = recommend_to(bundle, users, 3, tmp_path / "out.parquet")
    assert parquet.read_table(tmp_path / "out.parquet").equals(recommend(bundle, ASKED, 3))
    assert parquet.ParquetFile(tmp_path / "out.parquet").num_row_groups == 3
    assert counts == {"users": 5, "rows": 15, "unknown": 2, "unknown_items": 0}


def test_by_default_everybody_asks(bundle, tmp_path):
    counts = recommend_to(bundle, None, 3, tmp_path / "out.parquet")
    assert parquet.read_table(tmp_path / "out.parquet").equals(recommend(bundle, bundle.user_ids, 3))
    assert counts == {"users": 6, "rows": 18, "unknown": 0, "unknown_items": 0}


def test_whole_numbers_in_parquet_are_ids(bundle, tmp_path):
    users = write_users(tmp_path / "users.parquet", [7, 8])
    recommend_to(bundle, users, 1, tmp_path / "out.parquet")
    assert parquet.read_table(tmp_path / "out.parquet")["user_id"].to_pylist() == ["7", "8"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("users.csv", b"", "empty"),
        ("users.csv", b"user_id\n", "no users"),
        ("users.csv", b"userid\nu1\n", "did you mean 'userid'"),
        ("users.csv", b"user_id,user_id\na,b\n", "more than once"),
        ("users.csv", b"a,user_id\nx,u1\nx\n", r"users\.csv:3: no user_id"),
        ("users.csv", b"a,user_id\nx,u1\nx,\n", r"users\.csv:3: empty user_id"),
        ("users.csv", b"user_id\nu1\n\nu2\n", r"users\.csv:3: no user_id"),
        ("users.csv", b"user_id\n\xff\xfe\n", "not UTF-8"),
        ("users.csv", b'user_id\n"open\n', r"users\.csv:\d: "),
        ("users.csv", b"user_id\n" + b"x" * 2000, r"users\.csv:2: .*1024 bytes"),
        ("users.csv", b"user_id\n" + b"x" * 2**20, r"users\.csv:\d: "),
        ("users.jsonl", b'{"user_id": "a"}\n{"user": "b"}\n', r"users\.jsonl:2: no user_id"),
        ("users.jsonl", b'{"user_id": "a"}\nnull\n', r"users\.jsonl:2: no user_id"),
        ("users.jsonl", b'{"user_id": 1.5}\n', r"users\.jsonl:1: .*float"),
        ("users.jsonl", b'{"user_id": "a", "age": NaN}\n', r"users\.jsonl:1: not JSON"),
        ("users.jsonl", b'{"user_id": "a"}\n{"user_id": "\\ud800"}\n', r"users\.jsonl:2: user_id: a lone surrogate"),
        ("users.jsonl", b'{"user_id": "a"}\n\n{"user_id": "b"}\n', r"users\.jsonl:2: no user_id"),
        ("users.jsonl", b'{"user_id": null}\n', r"users\.jsonl:1: empty user_id"),
        ("users.jsonl", b'{"user_id": "' + b"x" * 2**19 + b'"}\n', r"users\.jsonl:1: .*1024 bytes"),
        ("users.jsonl", b"[" * 100_000, r"users\.jsonl:1: not JSON"),
        ("users.jsonl", b" " * 2**20, r"users\.jsonl:1: longer"),
        ("users.parquet", b"PAR1 not really", "cannot be read as Parquet"),
        ("users.xlsx", b"", "read from .csv, .jsonl, .parquet"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_nothing_is_written(bundle, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match=message):
        recommend_to(bundle, tmp_path / name, 1, tmp_path / "out.parquet")
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user_id": [7.0, None]}, r"users\.parquet: row 1: user_id must be text or a whole number, not float"),
        ({"user_id": ["u001", None]}, r"users\.parquet: row 2: empty user_id: there is neither an id nor a history"),
        ({"user_id": ["u001", None], "item_ids": [None, None]}, r"users\.parquet: row 2: empty user_id"),
        ({"item_ids": [["i001"], None]}, r"users\.parquet: row 2: empty user_id"),
        ({"user_id": ["u001", ""]}, r"users\.parquet: row 2: user_id must have 1 to 1024 bytes, not 0"),
        ({"item_ids": ["i001"]}, r"users\.parquet: row 1: item_ids: a history is a list of item ids, not str"),
        ({"item_ids": [["i001"], ["i002", None]]}, r"users\.parquet: row 2: item_id must be text or a whole number"),
    ],
)
def test_whoever_cannot_be_asked_for_is_refused_by_row(bundle, tmp_path, columns, message):
    parquet.write_table(pa.table(columns), tmp_path / "users.parquet", row_group_size=1)
    with pytest.raises(Refused, match=message):
        recommend_to(bundle, tmp_path / "users.parquet", 1, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(("name", "content"), [("u.csv", b"user_id\nu1\n\n\n"), ("u.jsonl", b'{"user_id": "u1"}\n\n \n')])
def test_blank_lines_at_the_end_are_nobody(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert [people.ids for people in read_people(tmp_path / name, 10)] == [("u1",)]


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Refused, match="no such file"):
        list(read_people(tmp_path / "users.csv", 10))


def test_a_failure_leaves_the_old_file(bundle, tmp_path):
    out = tmp_path / "out.parquet"
    recommend_to(bundle, None, 3, out)
    before = out.read_bytes()
    (tmp_path / "users.csv").write_text("user_id\nu001\n" + "x" * 2000)
    with pytest.raises(Refused):
        recommend_to(bundle, tmp_path / "users.csv", 1, out)
    assert out.read_bytes() == before


def test_a_place_that_cannot_be_written_is_unavailable(bundle, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"out\.parquet"):
        recommend_to(bundle, None, 3, tmp_path / "file" / "out.parquet")


@pytest.fixture
def small(monkeypatch):
    """Two users a batch, four a part."""
    monkeypatch.setattr(batch, "GROUP", 6)
    monkeypatch.setattr(sink, "_PART", 12)


def test_a_folder_of_parts_is_sealed_and_reads_as_one_table(bundle, tmp_path, small):
    recommend_to(bundle, None, 3, tmp_path / "recs")
    assert sorted(p.name for p in (tmp_path / "recs").iterdir()) == [
        "_manifest.json",
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    verify_manifest(tmp_path / "recs", sink.MANIFEST)
    assert parquet.read_table(tmp_path / "recs").equals(recommend(bundle, bundle.user_ids, 3))
    assert len(pd.read_parquet(tmp_path / "recs")) == 18
    (tmp_path / "recs" / "part-00000.parquet").write_bytes(b"damaged")
    with pytest.raises(Refused, match=r"part-00000\.parquet: damaged"):
        verify_manifest(tmp_path / "recs", sink.MANIFEST)


def test_a_folder_is_replaced_whole_or_stays(bundle, tmp_path, small, monkeypatch):
    out = tmp_path / "recs"
    recommend_to(bundle, None, 3, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    best = batch.best
    calls = iter([best, best])

    def twice(*asked):
        return next(calls)(*asked)

    monkeypatch.setattr(batch, "best", twice)
    with pytest.raises(StopIteration):
        recommend_to(bundle, None, 3, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    monkeypatch.setattr(batch, "best", best)
    recommend_to(bundle, None, 1, out)
    assert parquet.read_table(out).num_rows == 6
    assert [path.name for path in tmp_path.iterdir()] == ["recs"]


def test_a_folder_of_something_else_is_left_alone(bundle, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("")
    with pytest.raises(Refused, match="not replaced"):
        recommend_to(bundle, None, 3, tmp_path / "photos")
    (tmp_path / "x.parquet").mkdir()
    with pytest.raises(Refused, match="is a folder"):
        recommend_to(bundle, None, 3, tmp_path / "x.parquet")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["cat.jpg", "photos", "x.parquet"]


def test_the_budget_decides_how_many_at_once_and_nothing_else(bundle, tmp_path, monkeypatch):
    sizes = []
    best = batch.best
    monkeypatch.setattr(batch, "best", lambda b, asked, *more: sizes.append(len(asked.ids)) or best(b, asked, *more))
    recommend_to(bundle, None, 3, tmp_path / "all.parquet")
    recommend_to(bundle, None, 3, tmp_path / "little.parquet", budget=2**23)
    assert sizes == [6, 6]
    rules = read_filters(bundle, {"users": {"u001": {"allowed": ["i001", "i002", "i003", "i004"]}}})
    recommend_to(bundle, None, 3, tmp_path / "own.parquet", rules, budget=2**23)
    monkeypatch.setattr(batch, "_ROW_BYTES", 2**19)
    recommend_to(bundle, None, 3, tmp_path / "one.parquet", budget=2**23)
    assert sizes[3:] == [1] * 6
    tables = [parquet.read_table(tmp_path / f"{name}.parquet") for name in ("all", "little", "one")]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    with pytest.raises(Refused, match="memory budget"):
        recommend_to(bundle, None, 3, tmp_path / "none.parquet", budget=2**10)


def test_the_rules_hold_in_batch(bundle, tmp_path):
    rules = read_filters(bundle, {"blocked": ["i001", "i002"]})
    recommend_to(bundle, None, 9, tmp_path / "out.parquet", rules)
    assert parquet.read_table(tmp_path / "out.parquet").equals(recommend(bundle, bundle.user_ids, 9, filters=rules))
    assert not {"i001", "i002"} & set(parquet.read_table(tmp_path / "out.parquet")["item_id"].to_pylist())
