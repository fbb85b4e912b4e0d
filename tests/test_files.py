"""Files are whole or absent, folders have one owner, hashes tell parts apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.files import atomic, atomic_folder, files_below, locked, sha256, write_json, write_text

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


DIE = """
import os, signal, sys
from twinsign import files
kind, path = sys.argv[1:]
with getattr(files, kind)(path) as temporary:
    (temporary / "x" if kind == "atomic_folder" else temporary).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def die(kind: str, path: Path) -> None:
    """A process killed while it wrote."""
    source = str(Path(sys.modules["twinsign"].__file__ or "").parents[1])
    command = [sys.executable, "-c", DIE, kind, str(path)]
    assert subprocess.run(command, env={"PYTHONPATH": source}, check=False).returncode == -9


def test_the_next_write_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    for _ in range(3):
        die("atomic", tmp_path / "a")
        die("atomic_folder", tmp_path / "f")
    assert len(list(tmp_path.iterdir())) == 2
    write_text(tmp_path / "a", "whole")
    with atomic_folder(tmp_path / "f") as folder:
        (folder / "y").write_text("whole")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["a", "f", "f/y"]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    with atomic(tmp_path / "a") as one, atomic(tmp_path / "a") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a").read_text() == "one"
    with atomic_folder(tmp_path / "f") as one, atomic_folder(tmp_path / "f") as other:
        assert one != other
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "f"]


def test_a_folder_that_was_moved_aside_comes_back(tmp_path: Path) -> None:
    (tmp_path / ".f.old").mkdir()
    (tmp_path / ".f.old" / "x").write_text("old")

    def fail() -> None:
        with atomic_folder(tmp_path / "f"):
            assert (tmp_path / "f" / "x").read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    with atomic_folder(tmp_path / "f") as folder:
        (folder / "y").write_text("new")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["f", "f/y"]


def test_locks_and_temporary_files_follow_no_links(tmp_path: Path) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "run"
    victim.write_text("mine")
    folder.mkdir()
    (folder / ".lock").symlink_to(victim)
    (folder / ".a.tmp").symlink_to(victim)
    with pytest.raises(InputError, match=r"\.lock: found a link"), locked(folder):
        pytest.fail("locked")
    write_text(folder / "a", "whole")
    assert (victim.read_text(), (folder / "a").read_text()) == ("mine", "whole")
    (folder / ".lock").unlink()
    os.mkfifo(folder / ".lock")
    with pytest.raises(InputError, match="a plain file, or none"), locked(folder):
        pytest.fail("locked")


def test_a_lock_clears_its_folder_of_what_killed_processes_left_alone(tmp_path: Path) -> None:
    for name in (".a.77.tmp", ".a.77.1.tmp", ".mine.tmp", ".mine.old", "b.77.tmp"):
        (tmp_path / name).write_text("x")
    with locked(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", ".mine.old", ".mine.tmp", "b.77.tmp"]
    with locked(tmp_path, tidy=True):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", ".mine.old", "b.77.tmp"]


def test_linked_folders_are_walked_and_loops_are_not(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    for file in (root / "a" / "1", other / "b" / "2"):
        file.parent.mkdir(parents=True)
        file.write_text("")
    (root / "linked").symlink_to(other)
    (other / "b" / "up").symlink_to(other)
    (other / "back").symlink_to(root)
    (root / "a" / "loop").symlink_to(root)
    found = [path.relative_to(root).as_posix() for path in files_below(root)]
    assert found == ["a/1", "linked/b/2"]


def test_a_file_is_no_folder_to_hold(tmp_path: Path) -> None:
    (tmp_path / "x.pack").write_text("mine")
    with pytest.raises(InputError, match="found a file; wanted a folder"), locked(tmp_path / "x.pack"):
        pass
    assert (tmp_path / "x.pack").read_text() == "mine"
