"""The stage: what it writes, what its fingerprint depends on, and real logs where they are at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.files import digest_file
from recsys_cl.core.protocols import Job, Stage
from recsys_cl.core.settings import Component
from recsys_cl.ingest import sorted_parquet
from recsys_cl.ingest.settings import Ingest
from recsys_cl.stages.ingest import IngestStage
from recsys_cl.stages.store import Store

LOG = "user_id,item_id,timestamp,rating\nu,i,2,\nv,j,1,3\nu,,1,\nu,i,2,\nw,k,9,\n"


def stage(path, **settings) -> Stage:
    return IngestStage(Ingest(source=Component(use="csv", path=str(path)), **settings))


def run(stage: Stage, folder: Path):
    """The counts; the artifacts lie in ``folder``, all by themselves."""
    job = Job(reads={}, scratch=folder.with_name(f"{folder.name}.scratch"), fingerprint="x")
    job.scratch.mkdir()
    folder.symlink_to(job.out("interactions").parent)
    counts = stage.run(job)
    assert [path.name for path in job.scratch.iterdir()] == [folder.resolve().name]
    return counts


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


def test_it_writes_what_it_declares_and_nothing_else(log, tmp_path):
    made = stage(log)
    counts = run(made, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(made.writes)
    report = json.loads((tmp_path / "out" / "ingest_report").read_text())
    assert {name: counts[name] for name in ("rows_in", "rows_kept", "rows_quarantined", "rows_deduplicated")} == {
        "rows_in": 5, "rows_kept": 3, "rows_quarantined": 1, "rows_deduplicated": 1,
    }  # fmt: skip
    assert report["digest"] == digest_file(tmp_path / "out" / "interactions")
    assert report["files"] == {log.as_posix(): digest_file(log)}
    schema = pq.read_schema(tmp_path / "out" / "interactions")
    assert schema.equals(
        pa.schema(
            [("user_id", "string"), ("item_id", "string"), ("timestamp", pa.timestamp("us", "UTC")), ("rating", "float64")]
        )
    )


def test_a_table_of_users_comes_along_and_decides_the_fingerprint(log, tmp_path):
    table = tmp_path / "users.csv"
    table.write_text("who,country,age\nv,AT,30\n,FR,1\nu,FR,\nu,DE,2\n")
    made = stage(log, users=str(table), user_columns={"user_id": "who"})
    counts = run(made, tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "users").to_pylist() == [
        {"user_id": "u", "country": "FR", "age": ""},
        {"user_id": "v", "country": "AT", "age": "30"},
    ]
    assert {name: counts[name] for name in counts if name.startswith("users_")} == {
        "users_listed": 2, "users_bad": 1, "users_repeated": 1,
    }  # fmt: skip
    assert made.outside()[table.as_posix()] == digest_file(table)
    run(stage(log), tmp_path / "without")
    assert pq.read_table(tmp_path / "without" / "users").to_pydict() == {"user_id": []}


def test_a_table_of_users_without_ids_is_refused(log, tmp_path):
    (tmp_path / "users.csv").write_text("who,country\nv,AT\n")
    with pytest.raises(Refused, match="no column 'user_id'"):
        run(stage(log, users=str(tmp_path / "users.csv")), tmp_path / "out")
    with pytest.raises(Refused, match=r"nowhere\.csv"):
        stage(log, users=str(tmp_path / "nowhere.csv")).outside()


def test_the_same_input_gives_the_same_bytes(log, tmp_path):
    for name in ("a", "b"):
        run(stage(log, threads=1 if name == "a" else 3, memory_limit="300MB"), tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_the_fingerprint_follows_the_content_of_files_and_what_can_change_the_result(log):
    before = stage(log)
    assert list(before.outside()) == [log.as_posix()]
    assert stage(log, threads=1, memory_limit="1GB").settings == before.settings
    assert stage(log, max_bad_fraction=0.5).settings != before.settings
    assert IngestStage(Ingest(source=Component(use="csv", path=str(log))), seed=9).settings == before.settings
    digests = before.outside()
    log.write_text(LOG + "x,y,3,\n")
    assert before.outside() != digests


@pytest.mark.parametrize("change", ["grow", "add", "remove"])
def test_a_log_that_is_not_the_one_of_the_fingerprint_is_not_committed(tmp_path, change):
    """What is committed would be found again for a log that nobody read."""
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in "ab":
        (logs / f"{name}.csv").write_text(LOG)
    made, store = stage(logs), Store(tmp_path / "store")
    outside = made.outside()
    fingerprint = store.fingerprint(made, {}, outside)
    changed = logs / ("c.csv" if change == "add" else "b.csv")
    changed.unlink() if change == "remove" else changed.write_text(LOG + "x,y,3,\n")
    with pytest.raises(Refused, match=rf"{changed}: changed while it was being read; ingest it when it is complete"):
        store.make(made, fingerprint, {}, outside)
    assert store.find(made, fingerprint) is None


def test_a_refused_log_leaves_nothing_behind(log, tmp_path):
    with pytest.raises(Refused, match=r"max_bad_fraction is 0\.1"):
        run(stage(log, max_bad_fraction=0.1), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_unavailable(log, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sorted_parquet.pq, "ParquetWriter", full)
    with pytest.raises(Unavailable, match=r"cannot write .*No space left on device \([0-9]+ MiB free\)"):
        run(stage(log), tmp_path / "out")


def test_torch_is_not_imported():
    code = "import sys, recsys_cl.stages.ingest; sys.exit('torch' in sys.modules or 'ibis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


REAL = Path(os.environ.get("RECSYS_CL_REAL_DATA", "../shared/data"))
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real data in {REAL} (RECSYS_CL_REAL_DATA)")
MAPPED = {"columns": {"user_id": "user", "item_id": "item"}}
REAL_LOGS = {
    "gowalla": ({"use": "published", "path": "gowalla", "valid": "valid_lightgcnpp.txt"}, 29_858, 40_981, 1_027_370),
    "yelp2018": ({"use": "published", "path": "yelp2018", "valid": "valid_lightgcnpp.txt"}, 31_668, 38_048, 1_561_406),
    "beauty": ({"use": "parquet", "path": "beauty/interactions.parquet", **MAPPED}, 22_363, 12_101, 198_502),
    "beauty-sequences": ({"use": "sequences", "path": "beauty/sequences.txt"}, 22_363, 12_101, 198_502),
    "toys": ({"use": "parquet", "path": "toys/interactions.parquet", **MAPPED}, 19_412, 11_924, 167_597),
    "toys-sequences": ({"use": "sequences", "path": "toys/sequences.txt"}, 19_412, 11_924, 167_597),
    "ml-100k": ({"use": "parquet", "path": "ml-100k/interactions.parquet", **MAPPED}, 943, 1_682, 100_000),
}


@real
@pytest.mark.slow
@pytest.mark.parametrize("name", REAL_LOGS)
def test_real_logs_are_kept_whole(name, tmp_path):
    source, users, items, rows = REAL_LOGS[name]
    source = {**source, "path": str(REAL / source["path"])}
    counts = run(IngestStage(Ingest(source=Component(**source))), tmp_path / "out")
    assert (counts["users"], counts["items"], counts["rows_in"], counts["rows_kept"]) == (users, items, rows, rows)


@real
@pytest.mark.slow
def test_the_two_forms_of_beauty_have_the_same_sequences(tmp_path):
    orders = []
    for name in ("beauty", "beauty-sequences"):
        source = {**REAL_LOGS[name][0], "path": str(REAL / REAL_LOGS[name][0]["path"])}
        run(IngestStage(Ingest(source=Component(**source))), tmp_path / name)
        frame = pq.read_table(tmp_path / name / "interactions").to_pandas()
        orders.append(frame.groupby("user_id").item_id.agg(list).to_dict())
    assert orders[0] == orders[1]
