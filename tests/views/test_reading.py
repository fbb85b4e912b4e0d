"""What a network's clips show decides what it is shown later: joints, and the shape of boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import packed, recording

from twinsign.inference.shift import training_statistics
from twinsign.pack.open import Pack
from twinsign.pose.layout import INDEX, JOINTS, LEFT_HAND, TRUNK, TRUNK_JOINTS
from twinsign.pose.recording import Recording
from twinsign.views.config import CropConfig, ReadConfig
from twinsign.views.reading import adapt_reading, reading_from_statistics, seen_shares

READ = ReadConfig()


def clips(count: int, bodies: int, *, size: tuple[int, int] | None = None) -> list[Recording]:
    """Clips of both hands; the first `bodies` of them with a trunk, too."""
    rng, made = np.random.default_rng(0), []
    for number in range(count):
        one = recording(rng, str(number), 6)
        score = np.ones_like(one.score)
        if number >= bodies:
            score[:, TRUNK] = 0
        xy = rng.integers(100, 900, one.xy.shape) / 1024
        made.append(Recording(str(number), xy, score, size=size))
    return made


@pytest.mark.parametrize(("bodies", "ignored"), [(0, TRUNK_JOINTS), (1, TRUNK_JOINTS), (5, ()), (100, ())])
def test_joints_that_a_few_percent_of_the_clips_show_are_learnt(
    tmp_path: Path, bodies: int, ignored: tuple[str, ...]
) -> None:
    pack = packed(tmp_path / "p", clips(100, bodies))
    assert adapt_reading(pack, np.arange(100), READ, mirrored=True).crop.ignore == ignored


def test_an_earlier_version_remembered_the_same(tmp_path: Path) -> None:
    """Its statistics count hands' wrists as the trunk's."""
    for bodies in (0, 100):
        pack = packed(tmp_path / str(bodies), clips(100, bodies))
        about = training_statistics(pack, np.arange(100), READ)
        wanted = adapt_reading(pack, np.arange(100), READ, mirrored=True).crop
        assert reading_from_statistics(about, mirrored=True) == (wanted.ignore, wanted.shape)


def test_a_hand_is_learnt_from_mirrored_views_of_the_other(tmp_path: Path) -> None:
    right = []
    for one in clips(30, 30):
        score = one.score.copy()
        score[:, LEFT_HAND] = 0
        right.append(replace(one, score=score))
    pack = packed(tmp_path / "p", right)
    assert adapt_reading(pack, np.arange(30), READ, mirrored=True).crop.ignore == ()
    assert adapt_reading(pack, np.arange(30), READ, mirrored=False).crop.ignore == JOINTS[LEFT_HAND]


def test_shares_count_frames_with_a_hand_alone(tmp_path: Path) -> None:
    one, rest = clips(1, 1)[0], np.ones((6, len(JOINTS)), np.float32)
    rest[:3, : INDEX["nose"]] = 0
    rest[3, INDEX["nose"]] = 0
    rest[4, INDEX["left_elbow"]] = 0.4
    pack = packed(tmp_path / "p", [replace(one, score=rest)])
    shares = seen_shares(pack, np.arange(1), READ)
    assert shares[0] == 1
    assert shares[INDEX["nose"]] == shares[INDEX["left_elbow"]] == pytest.approx(2 / 3)


def test_boxes_are_square_in_what_the_clips_record(tmp_path: Path) -> None:
    for size, shape in ((None, "fractions"), ((640, 480), "pixels")):
        pack = packed(tmp_path / str(size), clips(20, 20, size=size))
        assert adapt_reading(pack, np.arange(20), READ, mirrored=True).crop.shape == shape
    asked = ReadConfig(crop=CropConfig(shape="fractions", ignore=("nose",)))
    assert adapt_reading(pack, np.arange(20), asked, mirrored=True).crop == asked.crop


def test_real_sets_of_hands_and_of_bodies(data_dir: Path, tmp_path: Path) -> None:
    from twinsign.datasets.folder import landmark_corpus
    from twinsign.pack.write import write_pack

    for name, ignored in (("wlasl300_hands", TRUNK_JOINTS), ("wlasl_body_hands", ())):
        write_pack(landmark_corpus(data_dir / f"{name}.npz").samples[::20], tmp_path / name)
        pack = Pack(tmp_path / name)
        rows = np.flatnonzero(pack.usable)
        found = adapt_reading(pack, rows, READ, mirrored=True).crop
        assert (found.ignore, found.shape) == (ignored, "fractions")
        assert reading_from_statistics(training_statistics(pack, rows, READ), mirrored=True) == (ignored, "fractions")
