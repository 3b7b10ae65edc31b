import json
import shutil

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.serving.manifest import digest_folder, verify_manifest, write_manifest


@pytest.fixture
def sealed(tmp_path):
    folder = tmp_path / "sealed"
    (folder / "inner").mkdir(parents=True)
    (folder / "a").write_bytes(b"first")
    (folder / "inner" / "b").write_bytes(bytes(range(256)))
    write_manifest(folder)
    return folder


def test_what_was_sealed_is_accepted(sealed):
    verify_manifest(sealed)


@pytest.mark.parametrize("position", range(0, 256, 17))
@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_is_refused_by_name(sealed, position, bit):
    path = sealed / "inner" / "b"
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(Refused, match="inner/b: damaged"):
        verify_manifest(sealed)


def test_a_truncated_a_missing_and_a_foreign_file_are_refused_by_name(sealed, tmp_path):
    spoilt = {
        "a: damaged": lambda f: (f / "a").write_bytes(b"firs"),
        "a: missing": lambda f: (f / "a").unlink(),
        "c: manifest": lambda f: (f / "c").write_bytes(b"foreign"),
        "no manifest": lambda f: (f / "manifest.json").unlink(),
        "manifest.json: damaged": lambda f: (f / "manifest.json").write_bytes(b"{"),
        "no list of files": lambda f: (f / "manifest.json").write_text("[]"),
        "format 2": lambda f: (f / "manifest.json").write_text(json.dumps({"format": 2, "files": {}})),
    }
    for number, (message, spoil) in enumerate(spoilt.items()):
        copy = tmp_path / str(number)
        shutil.copytree(sealed, copy)
        spoil(copy)
        with pytest.raises(Refused, match=message):
            verify_manifest(copy)


def test_the_digest_of_a_folder_sees_names_and_contents(sealed):
    before = digest_folder(sealed)
    (sealed / "a").rename(sealed / "z")
    assert digest_folder(sealed) != before
    (sealed / "z").rename(sealed / "a")
    (sealed / "extra").write_bytes(b"")
    assert digest_folder(sealed) != before
    assert digest_folder(sealed, without=("extra",)) == before
