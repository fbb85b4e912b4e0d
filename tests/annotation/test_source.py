from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.videos import load_dots, make_video

from twinsign.annotation.source import PoseFile, Source, SourceConfig
from twinsign.errors import InputError
from twinsign.pose.read import read, write_npz
from twinsign.pose.recording import Recording


def test_videos_come_in_pieces_with_the_times_of_their_frames(tmp_path: Path) -> None:
    times = [0, 40, 80, 120, 200, 240, 280, 320, 360, 400, 440, 480]  # none at 160
    film = make_video(tmp_path / "a.mp4", 12, times=times)
    pieces = list(Source(SourceConfig(), load_dots).pieces(film, frames=5))
    assert [len(piece.recording.xy) for piece in pieces] == [5, 5, 2]
    np.testing.assert_allclose(np.concatenate([piece.times for piece in pieces]), np.asarray(times) / 1000, atol=2e-3)
    assert all(piece.recording.unit == "fraction" and piece.recording.seen.any() for piece in pieces)
    poses = PoseFile()
    for piece in pieces:
        poses.add(piece)
    poses.write(tmp_path / "a.npz")
    saved = read(tmp_path / "a.npz")
    assert saved.fps == pytest.approx(25, rel=0.02)
    assert len(saved.xy) == 13  # the missing moment is filled in
    np.testing.assert_allclose(saved.xy[0], pieces[0].recording.xy[0], atol=1e-3)


def test_pose_files_need_a_frame_rate(tmp_path: Path) -> None:
    joints = np.full((30, 49, 2), 0.5, np.float32), np.ones((30, 49), np.float32)
    write_npz(Recording("a", *joints), tmp_path / "a.npz")
    with pytest.raises(InputError, match="--fps 25"):
        list(Source(SourceConfig()).pieces(tmp_path / "a.npz"))
    pieces = list(Source(SourceConfig(fps=30.0)).pieces(tmp_path / "a.npz", frames=20))
    np.testing.assert_allclose(np.concatenate([piece.times for piece in pieces]), np.arange(30) / 30)


def test_missing_and_damaged_videos_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        list(Source(SourceConfig(), load_dots).pieces(tmp_path / "none.mp4"))
    film = make_video(tmp_path / "a.mp4", 40)
    film.write_bytes(film.read_bytes()[:300])
    with pytest.raises(InputError, match=r"a\.mp4"):
        list(Source(SourceConfig(), load_dots).pieces(film))
