"""Many videos: which outputs, what is skipped when the command runs again, what of bad and deadly ones."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.videos import DOTS, MORTAL, NEWER_DOTS, DotFinder, dot_identity, load_dots, make_video, picture

from twinsign.errors import DiskFullError, InputError
from twinsign.extract.clip import extract
from twinsign.extract.config import EstimatorConfig
from twinsign.extract.estimator import Loader
from twinsign.extract.jobs import Outcome, Settings, find_jobs, run_jobs
from twinsign.extract.ledger import LEDGER
from twinsign.files import locked
from twinsign.pose.read import read

SETTINGS = Settings()


def run(folder: Path, out: Path, settings: Settings = SETTINGS, loader: Loader = DOTS) -> Outcome:
    return run_jobs(find_jobs([str(folder)], settings.format), out, settings, workers=1, loader=loader)


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["output"] for row in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three videos, two of the same name in two folders."""
    made = tmp_path / "in"
    for number, name in enumerate(("a/1.mp4", "b/1.mp4", "b/2.x.mov")):
        make_video(made / name, 4 + number)
    return made


def test_folders_keep_their_subfolders_and_files_their_stems(folder: Path) -> None:
    (folder / "b" / "._1.mp4").write_bytes(b"a Mac's shadow of it")
    (folder / "b" / "notes.txt").write_text("no video")
    (folder / "b" / "c.mp4").mkdir()
    jobs = find_jobs([str(folder)], "pose")
    assert [(job.video.relative_to(folder).as_posix(), job.output) for job in jobs] == [
        ("a/1.mp4", "a/1.pose"),
        ("b/1.mp4", "b/1.pose"),
        ("b/2.x.mov", "b/2.x.pose"),
    ]
    jobs = find_jobs([str(folder / "b" / "2.x.mov"), str(folder / "a"), str(folder / "a" / "1.mp4")], "npz")
    assert [job.output for job in jobs] == ["2.x.npz", "1.npz"]


def test_two_videos_for_one_output_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a/1.mp4 and .*b/1.mp4 for 1.pose.*common folder"):
        find_jobs([str(folder / "a"), str(folder / "b")], "pose")
    make_video(folder / "a" / "1.mov", 2)
    with pytest.raises(InputError, match=r"1.mov and .*1.mp4"):
        find_jobs([str(folder)], "pose")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no video"):
        find_jobs([str(tmp_path / "empty")], "pose")


def test_every_video_is_written_and_told_of(folder: Path, tmp_path: Path) -> None:
    ticks = list[tuple[int, int]]()
    jobs = find_jobs([str(folder)], "pose")
    outcome = run_jobs(jobs, tmp_path / "out", SETTINGS, 2, lambda *tick: ticks.append(tick), DOTS)
    assert (outcome.before, outcome.unreadable) == ([], {})
    assert names(outcome.done) == ["a/1.pose", "b/1.pose", "b/2.x.pose"]
    assert (sum(videos for videos, _ in ticks), sum(frames for _, frames in ticks)) == (3, 4 + 5 + 6)
    for job, row in zip(jobs, outcome.done, strict=True):
        wanted = extract(job.video, DotFinder()).recording
        np.testing.assert_array_equal(read(tmp_path / "out" / row["output"]).xy, wanted.xy)
        assert row["seen"] == {"right_hand": 0.0, "left_hand": 1.0, "trunk": 1.0}
        assert (row["frames"], row["kept"], row["size"]) == (len(wanted.xy), [0, len(wanted.xy)], [96, 64])
        assert row["made"]["estimator"] == {"name": "dot_finder", "version": "1"}
    ledger = [json.loads(line) for line in (tmp_path / "out" / LEDGER).read_text().splitlines()]
    assert sorted(names(ledger)) == names(outcome.done)


def test_what_is_done_is_not_done_again(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(folder, out)
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.pose")}
    again = run(folder, out)
    assert (again.done, again.before) == ([], first.done)
    os.utime(folder / "a" / "1.mp4")
    assert run(folder, out).done == [], "copied or touched, its content is the same"
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.pose")} == stamps
    make_video(folder / "a" / "1.mp4", 9)
    (out / "b" / "1.pose").unlink()
    make_video(folder / "c.mp4", 3)
    assert names(run(folder, out).done) == ["a/1.pose", "b/1.pose", "c.pose"]
    assert len(read(out / "a" / "1.pose").xy) == 9
    assert run(folder, out).done == []


def test_other_settings_are_another_job(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "out")
    for other in ({"trim": True}, {"max_side": 50}, {"fps": 10.0}, {}):
        settings = replace(SETTINGS, **other)
        assert len(run(folder, tmp_path / "out", settings).done) == 3
        assert len(run(folder, tmp_path / "out", settings).before) == 3


def test_another_estimator_is_another_job(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "out")
    assert len(run(folder, tmp_path / "out", loader=NEWER_DOTS).done) == 3
    both = run(folder, tmp_path / "out", replace(SETTINGS, format="npz"))
    assert names(both.done) == ["a/1.npz", "b/1.npz", "b/2.x.npz"]


def test_a_killed_run_goes_on(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(folder, out)
    rows = [json.loads(line) for line in (out / LEDGER).read_text().splitlines()]
    claimed = [{name: row[name] for name in ("output", "video", "path")} for row in rows]
    lines = [json.dumps(row) + "\n" for row in [*claimed, rows[0], rows[1]]]
    (out / LEDGER).write_text("".join(lines)[:-40])
    outcome = run(folder, out)
    assert (names(outcome.before), names(outcome.done)) == (["a/1.pose"], ["b/1.pose", "b/2.x.pose"])
    assert len((out / LEDGER).read_text().splitlines()) == 3


def test_no_call_overwrites_what_another_made(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(folder / "a", out)
    before = (out / "1.pose").read_bytes()
    with pytest.raises(InputError, match=r"a/1.mp4 and .*b/1.mp4 for .*1.pose.*common folder"):
        run(folder / "b", out)
    assert (out / "1.pose").read_bytes() == before
    assert not (out / "2.x.pose").exists(), "nothing of the refused call was done"
    assert run(folder / "a", out).before == first.done
    shutil.copytree(folder / "a", tmp_path / "moved")
    assert run(tmp_path / "moved", out).done == [], "the same content from another place"
    trimmed = run(folder / "a", out, replace(SETTINGS, trim=True))
    assert trimmed.replaced == ["1.pose"], "other settings replace it, and say so"


def test_videos_of_one_size_and_time_are_told_apart(folder: Path, tmp_path: Path) -> None:
    one, other = folder / "a" / "1.mp4", tmp_path / "other" / "1.mp4"
    other.parent.mkdir()
    content = bytearray(one.read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)
    for video in (one, other):
        os.utime(video, ns=(10**18, 10**18))
    run(one.parent, tmp_path / "out")
    with pytest.raises(InputError, match=r"a/1.mp4 and .*other/1.mp4"):
        run(other.parent, tmp_path / "out")


def test_poses_of_unknown_origin_are_not_overwritten(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    (out / "a" / "1.pose").write_bytes(b"someone's own")
    with pytest.raises(InputError, match=r"a/1.pose, of which extract.jsonl says nothing"):
        run(folder, out)
    assert (out / "a" / "1.pose").read_bytes() == b"someone's own"


def test_names_that_differ_in_case_alone_are_one_output(folder: Path, tmp_path: Path) -> None:
    run(folder / "b", tmp_path / "out")
    make_video(tmp_path / "upper" / "2.X.mp4", 3)
    with pytest.raises(InputError, match=r"2.x.mov and .*2.X.mp4"):
        run(tmp_path / "upper", tmp_path / "out")
    with pytest.raises(InputError, match=r"2.[xX].m.* and .*2.[xX].m"):
        find_jobs([str(folder / "b"), str(tmp_path / "upper")], "pose")


def test_a_full_disk_stops_all(folder: Path, tmp_path: Path) -> None:
    for number in range(4):
        make_video(folder / f"c{number}.mp4", 3)
    out = tmp_path / "out"
    done = run(folder / "a", out).done
    with pytest.raises(DiskFullError, match=r"No space left.*stopped with 0 of 7 videos written.*resumes"):
        run(folder, tmp_path / "full", loader=Loader(dot_identity, partial(_full_disk, load_dots)))
    assert not list((tmp_path / "full").rglob("*.pose"))
    assert run(folder / "a", out).before == done


def _full_disk(load: Callable[[EstimatorConfig], DotFinder], config: EstimatorConfig) -> DotFinder:
    """In a worker: from now on nothing can be written."""

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.fsync = no_room
    return load(config)


def test_bad_videos_cost_no_other(folder: Path, tmp_path: Path) -> None:
    (folder / "a" / "0.mp4").write_bytes(b"no video")
    whole = (folder / "b" / "1.mp4").read_bytes()
    (folder / "b" / "0.mp4").write_bytes(whole[: len(whole) // 2])
    jobs = [*find_jobs([str(folder)], "pose"), *find_jobs([str(tmp_path / "absent.mp4")], "pose")]
    outcome = run_jobs(jobs, tmp_path / "out", SETTINGS, 1, loader=DOTS)
    bad = [str(folder / "a" / "0.mp4"), str(folder / "b" / "0.mp4"), str(tmp_path / "absent.mp4")]
    assert list(outcome.unreadable) == bad
    assert all(path in reason for path, reason in outcome.unreadable.items())
    assert "no such file" in outcome.unreadable[bad[2]]
    assert len(outcome.done) == 3
    assert not (tmp_path / "out" / "a" / "0.pose").exists()
    again = run_jobs(jobs, tmp_path / "out", SETTINGS, 1, loader=DOTS)
    assert list(again.unreadable) == bad, "they are tried again"


def test_a_video_that_kills_its_process_costs_itself(folder: Path, tmp_path: Path) -> None:
    deadly = make_video(folder / "b" / "0.mp4", [picture((96, 64), red=None)] * 3)
    outcome = run(folder, tmp_path / "out", loader=MORTAL)
    assert list(outcome.unreadable) == [str(deadly)]
    assert "died 2 times (exit code 7)" in outcome.unreadable[str(deadly)]
    assert len(outcome.done) == 3


def test_a_folder_in_use_and_no_workers(folder: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "out"), pytest.raises(InputError, match="in use"):
        run(folder, tmp_path / "out")
    with pytest.raises(InputError, match="0 workers"):
        run_jobs([], tmp_path / "out", SETTINGS, 0, loader=DOTS)
