"""Files are whole or absent, folders have one owner, hashes tell parts apart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.files import atomic, locked, sha256, write_json, write_text

HOLD = """
import sys
from twinsign.files import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_block_that_ends_well_leaves_its_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "a.txt"
    with atomic(path) as temporary:
        temporary.write_text("one")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    def fail() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    for before in ([], [path]):
        with pytest.raises(KeyboardInterrupt):
            fail()
        assert list(tmp_path.iterdir()) == before
        path.write_text("old")
    assert path.read_text() == "old"


def test_text_and_json(tmp_path: Path) -> None:
    write_text(tmp_path / "t", "ü\n")
    assert (tmp_path / "t").read_bytes() == "ü\n".encode()
    value = {"gloss": "ü", "top1": 70.0, "none": None, "list": [1, 2]}
    write_json(tmp_path / "j", value)
    text = (tmp_path / "j").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "ü" in text
    assert text.endswith("}\n")
    for bad in (float("nan"), float("inf"), object()):
        with pytest.raises((ValueError, TypeError)):
            write_json(tmp_path / "j", bad)
    assert (tmp_path / "j").read_text(encoding="utf-8") == text


def test_a_folder_has_one_owner_until_it_dies(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with locked(folder):
        pass
    path = str(Path(sys.modules["twinsign"].__file__ or "").parents[1])
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(
        command, env={"PYTHONPATH": path}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="in use") as caught, locked(folder):
            pytest.fail("two owners")
        assert caught.value.file == folder
        other.kill()
        other.wait()
        with locked(folder), pytest.raises(InputError), locked(folder):
            pytest.fail("two owners")


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    def fail() -> None:
        with locked(tmp_path):
            raise RuntimeError("no power")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no power"):
            fail()


parts = st.lists(st.text(max_size=4), max_size=4)


@given(parts, parts)
def test_hashes_are_equal_for_equal_parts_alone(one: list[str], other: list[str]) -> None:
    assert (sha256(*one) == sha256(*other)) == (one == other)
    assert sha256(*one) == sha256(*(part.encode() for part in one))
    assert len(sha256(*one)) == 16


def test_a_known_hash() -> None:
    assert sha256() == "e3b0c44298fc1c14"
