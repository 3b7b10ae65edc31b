"""Paths, folders, globs and lists name files in one order."""

from __future__ import annotations

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.locate import existing, locate


@pytest.fixture
def folder(tmp_path):
    for name in ("b.csv", "a.csv", "deep/c.csv.gz", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def names(paths):
    return [path.name for path in paths]


def test_the_order_is_of_names_and_each_file_comes_once(folder):
    everything = [str(folder / "b.csv"), str(folder), str(folder / "*.csv")]
    assert names(locate(everything, (".csv", ".csv.gz"))) == ["a.csv", "b.csv", "c.csv.gz"]
    assert names(locate(str(folder / "**" / "*.gz"), ())) == ["c.csv.gz"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("*.parquet", "no file matches"),
        ("a.cvs", r"no such file; did you mean 'a\.csv'\?"),
        ("no/where.csv", "no such file, nor its folder"),
        ("deep", "no file in this folder ends in .csv"),
    ],
)
def test_naming_no_file_is_refused(folder, path, message):
    with pytest.raises(Refused, match=message):
        locate(str(folder / path), (".csv",))


def test_an_empty_list_is_refused():
    with pytest.raises(Refused, match="an empty list"):
        locate([], ())


def test_variables_are_filled_in(folder, monkeypatch):
    monkeypatch.setenv("LOGS", str(folder))
    monkeypatch.delenv("NO_LOGS", raising=False)
    assert names(locate("${LOGS}/a.csv", ())) == ["a.csv"]
    assert existing(f"${{NO_LOGS:-{folder}}}/b.csv").name == "b.csv"
    with pytest.raises(Refused, match="NO_LOGS is not set"):
        locate("${NO_LOGS}/a.csv", ())


def test_an_empty_path_is_not_the_folder_where_one_is(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EMPTY", "")
    for text in ("", "${EMPTY}"):
        with pytest.raises(Refused, match="names no file"):
            locate(text, (".csv",))
    assert names(locate(".", (".csv",))) == ["a.csv", "b.csv"]
