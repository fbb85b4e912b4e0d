"""A killed import resumes: no finished clip is read again, and the bytes are the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import recording

from twinsign.datasets.sample import Corpus, Sample
from twinsign.errors import InputError
from twinsign.files import locked
from twinsign.pack import write
from twinsign.pack.write import PackOptions, write_pack
from twinsign.pose.recording import Recording

CLIPS, BATCH = 40, 3
SCRIPT = """
import sys
from pathlib import Path
from test_resume import corpus, pack
pack(corpus(Path(sys.argv[1]), wait=0.05), Path(sys.argv[2]), int(sys.argv[3]))
"""


def corpus(log: Path, wait: float = 0.0, gloss: str = "g") -> Corpus:
    """Clips that write their number when they are read; one of them cannot be."""

    def reader(number: int) -> Recording:
        with log.open("a") as stream:
            stream.write(f"{number}\n")
        time.sleep(wait)
        if number == 4:
            raise InputError("rubbish", "a pose", clip="clip4")
        return recording(np.random.default_rng(number), f"clip{number}", 1 + number % 4)

    samples = [Sample(f"clip{n}", lambda n=n: reader(n), {"gloss": gloss}) for n in range(CLIPS)]
    return Corpus(samples, missing=[{"id": "lost", "gloss": "g", "split": "test"}])


def pack(found: Corpus, out: Path, workers: int) -> write.PackReport:
    """Write it in small batches, here or in a process of its own."""
    write.BATCH_CLIPS, write.BATCH_FRAMES = BATCH, 0
    return write_pack(found, out, options=PackOptions(workers))


@pytest.fixture(autouse=True)
def _batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "BATCH_CLIPS", BATCH)
    monkeypatch.setattr(write, "BATCH_FRAMES", 0)


def numbers(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()]


def alive(group: int) -> bool:
    stats = [path.read_text().rsplit(")", 1)[1].split() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    return any(int(fields[2]) == group and fields[0] != "Z" for fields in stats)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_import_resumes(tmp_path: Path, workers: int) -> None:
    out, parts = tmp_path / "P", tmp_path / ".P.partial"
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "first"), str(out), str(workers)]
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, start_new_session=True)
    while len(list(parts.glob("*.arrow"))) < 4 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(process.pid), "readers end with the process that they read for"
    assert not out.exists()
    finished = len(list(parts.glob("*.arrow"))) * BATCH + 1
    assert 4 * BATCH < finished < CLIPS
    told: list[bool] = []
    ticks: list[int] = []
    report = write_pack(
        corpus(tmp_path / "second"),
        out,
        options=PackOptions(workers),
        tick=ticks.append,
        restarted=lambda: told.append(True),
    )
    assert (min(numbers(tmp_path / "second")), ticks[0], told) == (finished, finished, [])
    assert sorted(numbers(tmp_path / "second")) == list(range(finished, CLIPS))
    assert not parts.exists()
    whole = pack(corpus(tmp_path / "third"), tmp_path / "whole", 0)
    assert out.read_bytes() == (tmp_path / "whole").read_bytes()
    assert report == whole
    assert (report.listed, report.missing, list(report.unreadable)) == (CLIPS + 1, 1, ["clip4"])


def interrupted(tmp_path: Path, found: Corpus) -> None:
    """Stop in the middle, as Ctrl-C does."""

    def stop(done: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pack(found, tmp_path / "P", tick=stop)
    assert not (tmp_path / "P").exists()


def test_other_inputs_start_over_and_say_so(tmp_path: Path) -> None:
    interrupted(tmp_path, corpus(tmp_path / "first"))
    told: list[bool] = []
    other = corpus(tmp_path / "second", gloss="other")
    write_pack(other, tmp_path / "P", restarted=lambda: told.append(True))
    assert told == [True]
    assert numbers(tmp_path / "second") == list(range(CLIPS))


def test_a_changed_pose_file_starts_over(tmp_path: Path) -> None:
    file = tmp_path / "a.pose"
    file.write_bytes(b"1")

    def found(log: str) -> Corpus:
        return Corpus([Sample(one.id, one.read, one.row, file) for one in corpus(tmp_path / log).samples])

    interrupted(tmp_path, found("first"))
    file.write_bytes(b"22")
    write_pack(found("second"), tmp_path / "P")
    assert numbers(tmp_path / "second") == list(range(CLIPS))


def test_a_damaged_part_and_what_follows_is_read_again(tmp_path: Path) -> None:
    interrupted(tmp_path, corpus(tmp_path / "first"))
    part = tmp_path / ".P.partial" / "000002.arrow"
    part.write_bytes(part.read_bytes()[:-100])
    write_pack(corpus(tmp_path / "second"), tmp_path / "P")
    assert numbers(tmp_path / "second") == list(range(2 * BATCH + 1, CLIPS))
    write_pack(corpus(tmp_path / "third"), tmp_path / "whole")
    assert (tmp_path / "P").read_bytes() == (tmp_path / "whole").read_bytes()


def test_two_imports_to_one_place_are_refused(tmp_path: Path) -> None:
    with locked(tmp_path / ".P.partial"), pytest.raises(InputError, match="a folder in use by process"):
        write_pack(corpus(tmp_path / "log"), tmp_path / "P")
