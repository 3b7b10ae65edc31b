"""Spark and the embedded engine make the same bytes of the same log, quarantine included."""

from __future__ import annotations

from datetime import datetime

import pyarrow.parquet as pq
import pytest

from recsys_cl.core.files import digest_file
from recsys_cl.core.protocols import Job
from recsys_cl.core.settings import Component
from recsys_cl.ingest.prepare import KCore, Prepare
from recsys_cl.stages.prepare import PrepareStage
from tests.ingest.engines.dirty import dirty_csv

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(1800)]  # hundreds of small jobs, each a second and more


def by_both(ingest, content, **contract):
    return [ingest.csv(content, contract={"engine": kind, **contract}) for kind in ("duckdb", "spark")]


def prepared(done, scratch, kind, settings):
    scratch.mkdir()
    reads = {name: done.folder / name for name in ("interactions", "items", "users", "drift")}
    job = Job(reads=reads, scratch=scratch, fingerprint="x")
    PrepareStage(Prepare(engine=kind, **settings)).run(job)
    files = {name: digest_file(job.out(name)) for name in ("train", "valid", "test", "data_report")}
    return files | {path.name: digest_file(path) for path in job.out("vocabulary").iterdir()}


@pytest.fixture(scope="module")
def content():
    return dirty_csv()


def test_both_engines_give_the_same_digests_on_a_dirty_log(spark, ingest, content, tmp_path):
    mine, theirs = by_both(ingest, content, as_of=datetime(2024, 2, 29, 12, 30, 15))
    assert mine.account == theirs.account
    assert mine.account["rows_quarantined"] > 100 < mine.account["rows_deduplicated"]
    assert mine.bad() == theirs.bad()
    assert len({reason for _, _, reason in mine.bad()}) > 8
    for name in ("interactions", "items", "quarantine"):
        assert digest_file(mine.folder / name) == digest_file(theirs.folder / name)
    split = Component.model_validate({"use": "time", "valid": 0.2, "test": 0.2})
    plain = {"split": split, "kcore": KCore(users=2, items=2), "min_rating": 1.0, "events": ("view", "buy")}
    weighed = {"split": split, "events": {"view": 0.1, "buy": 5.0}, "repeats": "sum", "min_weight": 0.3, "behaviours": True}
    for name, settings in {"plain": plain, "weighed": weighed | {"session_gap": "5s", "max_events_per_day": 100}}.items():
        digests = [prepared(mine, tmp_path / f"{name}-{kind}", kind, settings) for kind in ("duckdb", "spark")]
        assert digests[0] == digests[1], name


def test_a_log_of_many_parts_stays_in_order(spark, ingest):
    spark.conf.set("spark.sql.files.maxPartitionBytes", "4096")
    rows = "".join(f"u{number % 97},i{number * 7919 % 4999},{1_700_000_000 + number * 31 % 50}\n" for number in range(5000))
    mine, theirs = by_both(ingest, "user_id,item_id,timestamp\n" + rows)
    assert mine.account["digest"] == theirs.account["digest"]
    assert pq.read_metadata(theirs.folder / "interactions").num_rows == 5000
