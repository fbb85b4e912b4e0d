"""The page's rules in JavaScript decide as Python's do: where signs begin and end, resampling, the dictionary."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.page_rules import decide, floats, frames_to_json
from helpers.scripted_signer import stream as signer

from twinsign.dictionary.calibration import OpenCalibration
from twinsign.dictionary.held_out import calibrate_held_out
from twinsign.evaluation.calibrate import lower_confidence_bounds
from twinsign.nn.features import unit_means
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.read import open_set
from twinsign.streaming.segmenter import Frame, Segmenter, SegmenterConfig
from twinsign.streaming.stream import MAX_UNEVENNESS, resample
from twinsign.web.network import describe_open_set, describe_segmenter

CLIPS = 50
SIZE = (640, 480)


def shaken(frames: list[Frame], seed: int) -> list[Frame]:
    """The same at times like a camera's: uneven, some frames lost."""
    numbers = np.random.default_rng(seed)
    kept = [frame for frame in frames if numbers.random() > 0.1]
    return [frame._replace(time=frame.time + numbers.uniform(-0.008, 0.008)) for frame in kept]


@pytest.fixture(scope="module")
def recorded(data_dir: Path) -> list[list[Frame]]:
    """Real clips with hands and trunk, joined into streams of two, at even and uneven times."""
    recordings = open_set(data_dir / "wlasl_body_hands.npz")
    clips = []
    for number in range(CLIPS):
        frames: list[Frame] = []
        for one in (recordings.clip(5 * number), recordings.clip(5 * number + 1)):
            begin = frames[-1].time + 0.04 if frames else 0.0
            rows = zip(one.xy, one.score, strict=True)
            frames += [Frame(begin + at / 25, xy.astype(np.float32), score) for at, (xy, score) in enumerate(rows)]
        clips.append(shaken(frames, number) if number % 2 else frames)
    return clips


def segmented(frames: list[Frame]) -> dict[str, Any]:
    segmenter, states, found = Segmenter(SegmenterConfig(), SIZE), [], []
    for frame in frames:
        found.append(segmenter.push(frame))
        states.append(segmenter.state)
    found.append(segmenter.finish())
    return {"states": states, "found": [[sign.begin, sign.end, len(sign.frames)] for sign in found if sign]}


def test_signs_begin_and_end_as_in_python(recorded: list[list[Frame]], tmp_path: Path) -> None:
    given = {"rules": describe_segmenter(), "joints": JOINT_COUNT}
    clips = [frames_to_json(frames, SIZE) for frames in recorded]
    wanted = [segmented(frames) for frames in recorded]
    assert decide("segments", {**given, "clips": clips}, tmp_path) == wanted
    assert sum(len(one["found"]) for one in wanted) > CLIPS, "signs were found at all"
    assert {state for one in wanted for state in one["states"]} == {"rest", "held", "signing"}


@pytest.mark.parametrize("how", [{}, {"side": "left"}, {"moves": False}, {"hanging": False}])
def test_a_scripted_signer_is_followed_alike(how: dict[str, Any], tmp_path: Path) -> None:
    frames = signer(12, [(1, 3), (4, 4.2), (5, 11.5)], 30, **how)
    frames = [frame for frame in frames if not 7 < frame.time < 8.5]  # a gap that ends a sign
    given = {"rules": describe_segmenter(), "joints": JOINT_COUNT, "clips": [frames_to_json(frames, SIZE)]}
    assert decide("segments", given, tmp_path) == [segmented(frames)]


def test_uneven_frames_are_resampled_alike(tmp_path: Path) -> None:
    even = signer(2, [(0.2, 1.8)], 25)
    numbers = np.random.default_rng(0)
    hidden = [
        frame._replace(score=np.where(numbers.random(JOINT_COUNT) < 0.2, 0, frame.score).astype(np.float32))
        for frame in shaken(even, 0)
    ]
    streams = [even, hidden, even[:1]]
    given = {"unevenness": MAX_UNEVENNESS, "joints": JOINT_COUNT}
    clips = [frames_to_json(frames, SIZE) for frames in streams]
    for made, frames in zip(decide("resampled", {**given, "clips": clips}, tmp_path), streams, strict=True):
        wanted = resample(frames, "clip", SIZE)
        assert made["frames"] == len(wanted.xy)
        assert made["fps"] == pytest.approx(wanted.fps) if wanted.fps else made["fps"] is None
        seen = wanted.score > 0
        np.testing.assert_allclose(np.reshape(made["xy"], wanted.xy.shape)[seen], wanted.xy[seen], atol=1e-6)
        np.testing.assert_allclose(made["score"], wanted.score.ravel(), atol=1e-6)


def gallery(seed: int, glosses: int, each: int, spread: float, signers: int) -> dict[str, Any]:
    """Unit vectors around one centre a gloss, of several signers or of nobody named."""
    numbers = np.random.default_rng(seed)
    centres = numbers.normal(size=(glosses, 64))
    labels = np.repeat(np.arange(glosses), each)
    vectors = centres[labels] + spread * numbers.normal(size=(len(labels), 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = [f"s{number % signers}" if signers else "" for number in range(len(labels))]
    return {"vectors": vectors, "labels": labels, "signers": names}


@pytest.mark.parametrize(
    ("glosses", "each", "spread", "signers"),
    [(12, 6, 0.9, 0), (6, 8, 1.8, 3), (30, 4, 0.3, 2), (30, 4, 0.3, 40), (3, 2, 0.5, 0), (8, 12, 3.0, 0)],
)
def test_the_dictionary_is_as_sure_as_pythons(
    glosses: int, each: int, spread: float, signers: int, tmp_path: Path
) -> None:
    made = gallery(glosses, glosses, each, spread, signers)
    vectors, labels = torch.from_numpy(made["vectors"]), torch.from_numpy(made["labels"])
    wanted = calibrate_held_out(vectors, labels, made["signers"], "prototype")
    names = [f"gloss {number:02}" for number in range(glosses)]
    rows = zip(made["vectors"], made["labels"], made["signers"], strict=True)
    entries = [
        {"id": str(row), "gloss": names[label], "signer": signer, "vector": floats(vector)}
        for row, (vector, label, signer) in enumerate(rows)
    ]
    queries = gallery(99, 4, 3, 1.0, 0)["vectors"]
    galleries = [{"entries": entries, "queries": [floats(query) for query in queries]}]
    (decided,) = decide("galleries", {"rule": describe_open_set(), "galleries": galleries}, tmp_path)
    assert decided["calibration"] == pytest.approx(asdict(wanted), rel=1e-4, abs=1e-6)
    assert (wanted == OpenCalibration()) == (glosses * each < 10)
    prototypes = unit_means(vectors, labels, glosses)
    for found, query in zip(decided["found"], torch.from_numpy(queries), strict=True):
        confidences = wanted.confidences((query @ prototypes.T)[None])[0]
        best = confidences.topk(min(4, glosses))
        assert [guess["gloss"] for guess in found["guesses"]] == [names[label] for label in best.indices]
        assert [guess["confidence"] for guess in found["guesses"]] == pytest.approx(best.values.tolist(), abs=1e-4)
        cosines = (vectors @ query).topk(4)
        assert [int(match["id"]) for match in found["nearest"]] == cosines.indices.tolist()
        assert [match["similarity"] for match in found["nearest"]] == pytest.approx(cosines.values.tolist(), abs=1e-5)


def test_lower_bounds_are_pythons(tmp_path: Path) -> None:
    numbers = np.random.default_rng(3)
    right = numbers.random(200) < 0.93
    weight = np.where(numbers.random(200) < 0.4, 0.5 / 80, 0.5 / 120)
    for level in (0.95, 0.5, 0.0):
        given = {"right": right.tolist(), "weight": weight.tolist(), "level": level}
        bounds = decide("bounds", given, tmp_path)
        np.testing.assert_allclose(bounds, lower_confidence_bounds(right, weight, level), atol=1e-9)
