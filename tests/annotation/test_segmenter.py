from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.joined_clips import join_pack
from helpers.trained_runs import Trained

from twinsign.annotation.baselines import BASELINES
from twinsign.annotation.benchmark import pieces_of
from twinsign.annotation.fit import FitConfig, fit_segmenter, load_signs, recording_signals
from twinsign.annotation.metrics import match
from twinsign.annotation.network import BoundaryNet
from twinsign.annotation.segmenter import LearnedSegmenter, load_segmenter, save_segmenter
from twinsign.annotation.signals import CHANNELS
from twinsign.annotation.spans import Span
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pose.layout import TRUNK
from twinsign.pose.recording import Recording


@pytest.fixture(scope="module")
def network(trained: Trained) -> BoundaryNet:
    """A network fitted for a few steps on generated signs."""
    pack = Pack(trained.pack)
    return fit_segmenter(load_signs(pack, np.arange(len(pack))), FitConfig(steps=40, batch_size=4))


def find(network: BoundaryNet, recording: Recording, frames: int) -> list[Span]:
    segmenter = LearnedSegmenter(network)
    found = [span for piece in pieces_of(recording, frames) for span in segmenter.push(piece)]
    return found + segmenter.finish()


def f1(truth: list[Span], found: list[Span]) -> float:
    return 2 * len(match(truth, found, 0.5)) / (len(truth) + len(found))


def test_signs_are_found_in_recordings_that_were_not_learnt(network: BoundaryNet, trained: Trained) -> None:
    recording, truth = join_pack(trained.pack, 20, seed=5)
    assert f1(truth, find(network, recording, 3000)) >= 0.8
    assert all(cut(recording) for cut in BASELINES.values())


def test_pieces_give_the_segments_of_the_whole(network: BoundaryNet, trained: Trained) -> None:
    recording, _ = join_pack(trained.pack, 40, seed=6, fps=30.0)
    whole = find(network, recording, len(recording.xy))
    for frames in (700, 97):
        parts = find(network, recording, frames)
        assert len(match(whole, parts, 0.9)) >= 0.95 * max(len(whole), len(parts))
        assert all(before.end <= after.begin for before, after in pairwise(parts))


def test_what_is_kept_does_not_grow(network: BoundaryNet, trained: Trained) -> None:
    recording, _ = join_pack(trained.pack, 40)
    segmenter, sizes = LearnedSegmenter(network), []
    for piece in pieces_of(recording, 250):
        segmenter.push(piece)
        assert segmenter._grid is not None
        sizes.append(len(segmenter._grid.xy))
    assert len(sizes) > 8
    assert max(sizes[4:]) <= 1.5 * max(sizes[:4])


def test_signals_do_not_depend_on_camera_or_frame_rate(trained: Trained) -> None:
    recording, _ = join_pack(trained.pack, 4)
    hands = recording.score.copy()
    hands[:, TRUNK] = 0
    plain = Recording("plain", recording.xy, hands, fps=recording.fps)
    far = Recording("far", plain.xy * 0.5 + 0.2, hands, fps=recording.fps)
    assert recording_signals(plain).shape[1] == CHANNELS
    np.testing.assert_allclose(recording_signals(far), recording_signals(plain), atol=2e-3)


def test_fitting_is_repeatable_and_stored_whole(trained: Trained, tmp_path: Path) -> None:
    pack = Pack(trained.pack)
    signs = load_signs(pack, np.arange(len(pack)))
    first, second = (fit_segmenter(signs, FitConfig(steps=2, batch_size=2)) for _ in range(2))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    file = tmp_path / "segmenter.safetensors"
    save_segmenter(first, file)
    values = torch.randn(1, 60, CHANNELS)
    assert torch.equal(load_segmenter(file)(values), first(values))


def test_other_files_are_no_segmenter(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_segmenter(tmp_path / "none")
    with pytest.raises(InputError, match="other content"):
        load_segmenter(trained.finetuned / "weights.safetensors")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(InputError, match="twinsign segmenter"):
        load_segmenter(tmp_path / "text")


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(InputError, match="at least 20"):
        fit_segmenter({}, FitConfig())
