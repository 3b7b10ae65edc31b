"""A reader sees the old file or the new one, never a part of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recsys_cl.core.errors import Unavailable
from recsys_cl.core.files import atomic_write, commit_folder, digest_file, digest_json, write_json


def test_a_failed_write_leaves_the_old_file_and_no_scratch(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"old": 1})
    with pytest.raises(TypeError), atomic_write(target) as stream:
        stream.writelines([b"new, but not all of it", None])
    assert json.loads(target.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_the_new_content_is_invisible_until_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with atomic_write(target, "w") as stream:
        stream.write("text")
        stream.flush()
        assert not target.exists()
    assert target.read_text() == "text"


def test_not_a_number_is_refused_before_anything_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"x": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"x": float("nan")})
    assert json.loads(target.read_text()) == {"x": 1.0}


def test_a_disk_fault_names_the_path_and_the_free_space(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(Unavailable, match=r"cannot write .*file/a\.json.*MiB free") as caught,
        atomic_write(tmp_path / "file" / "a.json"),
    ):
        pass
    assert caught.value.exit_code == 3


def test_a_folder_appears_whole_and_the_second_of_two_equal_ones_is_dropped(tmp_path: Path) -> None:
    for text in ("first", "second"):
        scratch = tmp_path / "scratch"
        (scratch / "inner").mkdir(parents=True)
        (scratch / "inner" / "a").write_text(text)
        commit_folder(scratch, tmp_path / "final")
        assert not scratch.exists()
    assert (tmp_path / "final" / "inner" / "a").read_text() == "first"


def test_digests_follow_content_only(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_json({"a": 1, "b": [2]}) == digest_json({"b": [2], "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 2})
