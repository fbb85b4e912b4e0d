"""Reading in several processes: the same pack whatever their number, and a crash or a hang costs its own clip alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import recording, sample

from twinsign.datasets.sample import Sample
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pack.write import PackOptions, write_pack
from twinsign.pose.recording import Recording

CLIPS = 30


def corpus() -> list[Sample]:
    rng = np.random.default_rng(0)
    return [sample(recording(rng, f"clip{n}", 1 + n % 5, scored=n % 2 == 0), gloss=f"g{n % 3}") for n in range(CLIPS)]


def spoilt(number: int, what: Callable[[], Recording]) -> list[Sample]:
    samples = corpus()
    samples[number] = Sample(samples[number].id, what, samples[number].row)
    return samples


def refuse() -> Recording:
    raise InputError("rubbish", "a pose")


def test_the_bytes_are_the_same_for_any_number_of_workers(tmp_path: Path, small_batches: None) -> None:
    samples = spoilt(7, refuse)
    samples.append(samples[3])
    found = {}
    for workers in (0, 1, 2, 5):
        report = write_pack(samples, tmp_path / "p", options=PackOptions(workers))
        found[workers] = (tmp_path / "p").read_bytes()
        assert list(report.unreadable) == ["clip7", "clip3 (again)"]
    assert len(set(found.values())) == 1
    assert Pack(tmp_path / "p").column("id") == [f"clip{n}" for n in range(CLIPS) if n != 7]


def die() -> Recording:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def leave() -> Recording:
    os._exit(7)


def hang() -> Recording:
    time.sleep(60)
    raise AssertionError("awake")


def fail() -> Recording:
    raise KeyError("keypoints")


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("what", "said"),
    [(die, "died 2 times (signal SIGKILL)"), (leave, "died 2 times (exit code 7)"), (fail, "KeyError: 'keypoints'")],
)
def test_a_reader_that_crashes_is_named_and_the_rest_is_packed(
    tmp_path: Path, workers: int, what: Callable[[], Recording], said: str
) -> None:
    report = write_pack(spoilt(11, what), tmp_path / "p", options=PackOptions(workers))
    assert list(report.unreadable) == ["clip11"]
    assert said in report.unreadable["clip11"]
    assert "clip 'clip11'" in report.unreadable["clip11"]
    assert Pack(tmp_path / "p").column("id") == [f"clip{n}" for n in range(CLIPS) if n != 11]


def test_a_reader_that_hangs_is_given_up(tmp_path: Path) -> None:
    report = write_pack(spoilt(0, hang), tmp_path / "p", options=PackOptions(2, patience=0.5))
    assert report.unreadable["clip0"].startswith("clip 'clip0': found no answer within 0.5 s")
    assert sum(report.clips.values()) == CLIPS - 1


def test_a_reader_that_was_killed_once_is_tried_again(tmp_path: Path) -> None:
    good = corpus()[5].read()

    def once() -> Recording:
        if not (tmp_path / "tried").exists():
            (tmp_path / "tried").touch()
            die()
        return good

    report = write_pack(spoilt(5, once), tmp_path / "p", options=PackOptions(2))
    assert report.unreadable == {}
    np.testing.assert_array_equal(Pack(tmp_path / "p").recording(5).xy, good.xy)


def test_every_reader_may_die(tmp_path: Path) -> None:
    samples = [Sample(one.id, die, one.row) for one in corpus()[:3]]
    samples.append(corpus()[3])
    report = write_pack(samples, tmp_path / "p", options=PackOptions(2))
    assert list(report.unreadable) == ["clip0", "clip1", "clip2"]
    assert report.clips == {"none": 1}


@pytest.mark.parametrize("wrong", [{"workers": -1}, {"shard_clips": 0}, {"patience": 0.0}, {"patience": float("nan")}])
def test_invalid_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        PackOptions(**wrong)  # type: ignore[arg-type]
