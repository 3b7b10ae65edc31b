"""A public data set by name becomes a folder of the one schema, once its terms are accepted and its bytes are right."""

from __future__ import annotations

import io
import threading
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from recsys_cl.commands import get as command
from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.ingest.public import acquisition
from recsys_cl.ingest.public import catalogue as table
from recsys_cl.ingest.public.acquisition import acquire
from recsys_cl.ingest.public.catalogue import DataSet, catalogue, find

TABLES = {
    "ml-100k": {"ml-100k/u.data": "196\t242\t3\t881250949\n186\t302\t3\t891717742\n", "ml-100k/u.item": "242|Kolya (1996)|x\n302|L.A. Confidential|y\n"},
    "ml-1m": {"ml-1m/ratings.dat": "1::1193::5::978300760\n", "ml-1m/movies.dat": "1193::Misérables, Les::Drama|Musical\n"},
    "ml-20m": {"ml-20m/ratings.csv": "userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n", "ml-20m/movies.csv": 'movieId,title,genres\n2,"Jumanji, (1995)",Adventure\n'},
}  # fmt: skip


def zipped(tables: dict[str, str], encoding: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, text in tables.items():
            archive.writestr(zipfile.ZipInfo(name), text.encode(encoding))
    return sink.getvalue()


def moved(entry: DataSet, site: Any, contents: dict[str, bytes]) -> tuple[DataSet, dict[str, str]]:
    """The entry with its files on the local server, and their digests."""
    placed = {name: site.put(name, content) for name, content in contents.items()}
    files = tuple(file.model_copy(update={"url": placed[file.name][0], "sha256": None}) for file in entry.files)
    return entry.model_copy(update={"files": files}), {name: digest for name, (_, digest) in placed.items()}


@pytest.mark.parametrize("name", TABLES)
def test_movielens(site: Any, tmp_path: Path, name: str) -> None:
    contents = {f"{name}.zip": zipped(TABLES[name], "utf-8" if name == "ml-20m" else "latin-1")}
    entry, digests = moved(find(name), site, contents)
    account = acquire(name, entry, tmp_path, digests)
    rows = pq.read_table(tmp_path / name / "interactions.parquet").to_pylist()
    assert len(rows) == account["rows_kept"] == account["rows_in"]
    assert set(rows[0]) == {"user_id", "item_id", "timestamp", "rating"}
    items = pq.read_table(tmp_path / name / "items.parquet").to_pylist()
    assert {row["item_id"] for row in items} == {row["item_id"] for row in rows}
    assert all(row["title"] for row in items)
    assert acquire(name, entry, tmp_path, {}) == account, "it is only told again"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".downloads", name]


def test_a_published_split(site: Any, tmp_path: Path) -> None:
    entry, digests = moved(find("gowalla"), site, {"train.txt": b"0 0 1 2\n1 1\n", "test.txt": b"0 3\n1 2\n"})
    acquire("gowalla", entry, tmp_path, digests)
    rows = pq.read_table(tmp_path / "gowalla" / "interactions.parquet").to_pylist()
    assert sorted((row["user_id"], row["item_id"], row["part"]) for row in rows) == [
        ("0", "0", "train"), ("0", "1", "train"), ("0", "2", "train"), ("0", "3", "test"), ("1", "1", "train"), ("1", "2", "test"),
    ]  # fmt: skip


def test_wrong_bytes_leave_no_data_set(site: Any, tmp_path: Path) -> None:
    entry, digests = moved(find("ml-100k"), site, {"ml-100k.zip": zipped(TABLES["ml-100k"], "latin-1")})
    site.put("ml-100k.zip", b"something else")
    with pytest.raises(Refused, match="the bytes are not what they should be"):
        acquire("ml-100k", entry, tmp_path, digests)
    assert not (tmp_path / "ml-100k").exists()


def test_a_broken_transfer_goes_on_with_the_same_command(site: Any, tmp_path: Path) -> None:
    entry, digests = moved(find("ml-100k"), site, {"ml-100k.zip": zipped(TABLES["ml-100k"], "latin-1")})
    site.cut = [20] * 5
    with pytest.raises(Unavailable, match="goes on from here"):
        acquire("ml-100k", entry, tmp_path, digests)
    assert acquire("ml-100k", entry, tmp_path, digests)["rows_kept"] == 2


def test_who_asks_for_what_another_makes_waits_for_it(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making it beside the other would take its tables away under its hands."""
    entry, digests = moved(find("ml-100k"), site, {"ml-100k.zip": zipped(TABLES["ml-100k"], "latin-1")})
    accounts: list[Any] = []
    second = threading.Thread(target=lambda: accounts.append(acquire("ml-100k", entry, tmp_path, digests)))

    def ingested(*given: Any) -> Any:
        monkeypatch.undo()
        account = acquisition._ingested(*given)
        second.start()
        second.join(timeout=0.2)
        assert second.is_alive(), "it waits"
        return account

    monkeypatch.setattr(acquisition, "_ingested", ingested)
    account = acquire("ml-100k", entry, tmp_path, digests)
    second.join()
    assert accounts == [account]
    assert len(pq.read_table(tmp_path / "ml-100k" / "interactions.parquet")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [".downloads", "ml-100k"]


def test_a_digest_that_is_not_known_must_be_given() -> None:
    entry = find("ml-32m")
    with pytest.raises(Refused, match=r"ml-32m\.zip: not verified from here.*--sha256 ml-32m\.zip=DIGEST"):
        entry.with_digests({})
    assert entry.with_digests({"ml-32m.zip": "0" * 64}).files[0].sha256 == "0" * 64
    with pytest.raises(Refused, match=r"no such file in this data set; did you mean 'ml-32m\.zip'"):
        entry.with_digests({"ml32m.zip": "0" * 64})
    with pytest.raises(Refused, match="64 hexadecimal"):
        entry.with_digests({"ml-32m.zip": "12"})
    with pytest.raises(Refused, match="is not the known 50d2"):
        find("ml-100k").with_digests({"ml-100k.zip": "0" * 64})


def test_the_catalogue_pins_only_what_somebody_vouches_for() -> None:
    known = catalogue()
    assert {"ml-100k", "ml-1m", "ml-20m", "ml-32m", "gowalla", "yelp2018", "amazon-book", "amazon-beauty"} <= set(known)
    for entry in known.values():
        assert entry.licence
        assert entry.terms.startswith("https://")
        assert bool(entry.tables) != bool(entry.published)
        for file in entry.files:
            assert (file.sha256 is None) == (file.verified is None)


def test_the_command_wants_the_licence_accepted(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    entry, digests = moved(find("ml-100k"), site, {"ml-100k.zip": zipped(TABLES["ml-100k"], "latin-1")})
    monkeypatch.setattr(table, "find", lambda name: entry)
    with pytest.raises(Refused, match="--accept-licence"):
        command.get("ml-100k", tmp_path)
    assert "Research use" in capsys.readouterr().err
    assert site.asked == []
    command.get("ml-100k", tmp_path, accept_licence=True, sha256=[f"ml-100k.zip={digests['ml-100k.zip'].upper()}"])
    assert "2 interactions of 2 users with 2 items" in capsys.readouterr().out
    with pytest.raises(Refused, match="FILE=DIGEST"):
        command.get("ml-100k", tmp_path, accept_licence=True, sha256=["abc"])


def test_the_list_says_what_is_not_verified(capsys: Any) -> None:
    command.get()
    listed = capsys.readouterr().out
    assert "ml-32m         MovieLens 32M (not verified from here: ml-32m.zip)" in listed
    assert "ml-100k        MovieLens 100K\n" in listed


def test_an_unknown_name() -> None:
    with pytest.raises(Refused, match="did you mean 'ml-100k'"):
        find("ml100k")
