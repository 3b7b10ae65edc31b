"""A pipeline that reads a data set: one version, whole, in an order that no arrival decides."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_file
from recsys_cl.core.protocols import Job
from recsys_cl.core.settings import Component
from recsys_cl.ingest.settings import Ingest
from recsys_cl.ingest.sources.dataset import DataSet
from recsys_cl.stages.ingest import IngestStage
from recsys_cl.stages.store import Store

from ..versions.conftest import Keeper, Row, log_of


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def stage(folder: Path, **contract: Any) -> IngestStage:
    arguments = {key: contract.pop(key) for key in ("version",) if key in contract}
    return IngestStage(Ingest(source=Component(use="dataset", path=str(folder), **arguments), **contract))


def ingested(made: IngestStage) -> Job:
    job = Job(reads={}, scratch=Path(tempfile.mkdtemp()), fingerprint="x")
    made.run(job)
    return job


def tied(count: int) -> list[Row]:
    """Every event at one of three instants, so that nearly all ties are broken by something else than time."""
    return [(f"u{n % 7}", f"i{n}", 1_600_000_000 + n % 3) for n in range(count)]


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_order_of_arrival(keeper: Keeper) -> None:
    rows = tied(90)
    parts = [keeper.log(f"{n}.csv", rows[n::3]) for n in range(3)]
    digests = set()
    for number, order in enumerate([parts, parts[::-1], [parts[1], parts[0], parts[2]]]):
        for part in order:
            keeper.add(part, into=f"set{number}")
        digests.add(digest_file(ingested(stage(keeper.set.with_name(f"set{number}"))).out("interactions")))
    keeper.add(*parts, into="at-once")
    digests.add(digest_file(ingested(stage(keeper.set.with_name("at-once"))).out("interactions")))
    assert len(digests) == 1


def test_a_version_stays_what_it_was_and_the_newest_is_read_where_none_is_named(keeper: Keeper) -> None:
    keeper.add(keeper.log("a.csv", log_of(50)))
    first = stage(keeper.set, version=1)
    before = first.outside(), pq.read_table(ingested(first).out("interactions"))
    newest = stage(keeper.set).outside()
    keeper.add(keeper.log("b.csv", "user_id,item_id,timestamp,rating\nx,y,1600000000,5\n"))
    assert (first.outside(), pq.read_table(ingested(first).out("interactions"))) == before
    assert stage(keeper.set).outside() != newest
    table = pq.read_table(ingested(stage(keeper.set)).out("interactions"))
    assert table["rating"].drop_null().to_pylist() == [5.0]
    assert len(table) == len(before[1]) + 1


def test_what_was_fingerprinted_is_what_is_read(keeper: Keeper, tmp_path: Path) -> None:
    """Whoever ingests meanwhile commits a version for the next run."""
    keeper.add(keeper.log("a.csv", log_of(50)))
    store, made = Store(tmp_path / "store"), stage(keeper.set)
    outside = made.outside()
    expected = len(keeper.rows())
    keeper.add(keeper.log("b.csv", [("x", "y", 1_600_000_000)]))
    receipt = store.make(made, store.fingerprint(made, {}, outside), {}, outside)
    assert pq.read_metadata(receipt.artifact("interactions").path).num_rows == expected
    report = json.loads(receipt.artifact("ingest_report").path.read_text())
    assert report["files"] == receipt.facts["outside"] == outside


def test_as_of_names_the_data_set_in_the_quarantine(keeper: Keeper) -> None:
    keeper.add(keeper.log("a.csv", tied(30)))
    made = stage(keeper.set, as_of=datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC), max_bad_fraction=1.0)
    bad = pq.read_table(ingested(made).out("quarantine")).to_pylist()
    assert len(bad) == 20
    assert {row["file"] for row in bad} == {str(keeper.set)}


def test_damage_and_absence_are_refused(keeper: Keeper, tmp_path: Path) -> None:
    keeper.add(keeper.log("a.csv", log_of(50)))
    source = build("ingest.sources", Component(use="dataset", path=str(keeper.set)), "ingest.source")
    assert isinstance(source, DataSet)
    (part,) = (keeper.set / "parts").iterdir()
    rows = part / "interactions.parquet"
    rows.write_bytes(rows.read_bytes()[:-1] + b"!")
    with pytest.raises(Refused, match=r"interactions\.parquet: damaged"):
        source.read(tmp_path)
    with pytest.raises(Refused, match="no version 7"):
        DataSet(str(keeper.set), version=7).read(tmp_path)
    with pytest.raises(Refused, match="no such data set"):
        DataSet(str(tmp_path / "nowhere")).files()
