"""The network sees the same numbers, to the last bit, of a clip from a pack, file, request, stream and ONNX file.

The clip is what these treat differently: places between float16's, scores between a pack's steps, an image size, a body
that the RUN has and has not learnt from, wrists guessed outside the picture, frames without hands at both ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.recordings import packed
from helpers.trained_runs import Trained
from torch import Tensor, nn

from twinsign.evaluation.scoring import score
from twinsign.inference.embedder import Embedder
from twinsign.inference.export_module import INPUTS, Portable, stack_recordings
from twinsign.inference.recogniser import Recogniser, explain
from twinsign.pack.open import Pack
from twinsign.pack.selection import LabelledRows
from twinsign.pose.layout import HANDS, INDEX, JOINTS, TRUNK
from twinsign.pose.read import read
from twinsign.pose.read.canonical import write_npz
from twinsign.pose.recording import Recording
from twinsign.runs.run import Run, load_run
from twinsign.serve.options import Limits
from twinsign.serve.schemas import Clip, validate
from twinsign.streaming.stream import Stream
from twinsign.views.batches import collate_equal_length

FPS = 25.0
RESTS = 5
Seen = list[tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def clip(trained: Trained) -> Recording:
    """A generated sign, disturbed as the head of this file says."""
    random = np.random.default_rng(0)
    one = Pack(trained.pack).recording(0)
    hands = np.flatnonzero(one.seen[:, HANDS].any(axis=1))
    xy, scores = one.xy[hands[0] : hands[-1] + 1], one.score[hands[0] : hands[-1] + 1]
    xy = xy + random.uniform(-1e-4, 1e-4, xy.shape)
    scores = np.where(scores > 0, random.uniform(0.55, 1.0, scores.shape), 0)
    xy = np.concatenate([xy[:1].repeat(RESTS, 0), xy, xy[-1:].repeat(RESTS, 0)]).astype(np.float32)
    scores = np.concatenate([scores[:1].repeat(RESTS, 0), scores, scores[-1:].repeat(RESTS, 0)]).astype(np.float32)
    scores[:RESTS, HANDS] = scores[-RESTS:, HANDS] = 0
    xy[:RESTS, INDEX["left_wrist"]] = 0.4, 1.3
    scores[:, TRUNK] = random.uniform(0.55, 1.0, (len(xy), 7))
    for elbow in ("left_elbow", "right_elbow"):  # without it no hand counts as lowered, which would end a live sign
        scores[:, INDEX[elbow]] = 0
    return Recording("clip", xy, scores, size=(641, 487), fps=FPS)


@pytest.fixture(params=["body", "hands alone"], scope="module")
def run(request: pytest.FixtureRequest, trained: Trained) -> Run:
    """A RUN that has learnt from bodies, and one that has not."""
    known = load_run(trained.finetuned)
    crop = replace(known.recipe.read.crop, ignore=() if request.param == "body" else JOINTS[TRUNK])
    return replace(known, recipe=replace(known.recipe, read=replace(known.recipe.read, active="joint", crop=crop)))


@contextmanager
def watched(encoders: nn.Module) -> Iterator[Seen]:
    """What the first encoder is given while this lasts."""
    given: Seen = []
    first = next(encoders.children())
    hook = first.register_forward_pre_hook(lambda module, inputs: given.append(tuple(one.clone() for one in inputs)))
    yield given
    hook.remove()


def same(one: Seen, other: Seen) -> None:
    assert len(one) == len(other) > 0
    for mine, yours in zip(one, other, strict=True):
        assert all(torch.equal(*each) for each in zip(mine, yours, strict=True))


@pytest.fixture(scope="module")
def as_tested(run: Run, clip: Recording, tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Seen:
    """What the encoder sees when the clip is packed and evaluated."""
    pack = packed(tmp_path_factory.mktemp("door") / "P", [clip])
    classifier = Recogniser.load(trained.finetuned).classifier
    with watched(classifier.encoders) as given:
        score(run, classifier, pack, LabelledRows(np.arange(1), np.zeros(1, np.int64)))
    return given


def recogniser_of(run: Run, trained: Trained) -> Recogniser:
    return Recogniser(run, Recogniser.load(trained.finetuned).classifier)


def test_predict_and_its_votes(as_tested: Seen, run: Run, clip: Recording, trained: Trained, tmp_path: Path) -> None:
    recogniser = recogniser_of(run, trained)
    write_npz(clip, tmp_path / "clip.npz")
    for ask in (recogniser.predict, lambda one: explain(recogniser, [one])):
        for recording in (clip, read(tmp_path / "clip.npz")):
            with watched(recogniser.classifier.encoders) as given:
                ask(recording)
            same(given, as_tested)


def test_search_and_embed(as_tested: Seen, run: Run, clip: Recording, trained: Trained) -> None:
    embedder = Embedder(run, Recogniser.load(trained.finetuned).classifier.encoders)
    with watched(embedder.encoders) as given:
        embedder.embed([clip])
    same(given, as_tested)


def test_a_request(as_tested: Seen, run: Run, clip: Recording, trained: Trained) -> None:
    """A clip as JSON, as a browser sends it."""
    recogniser = recogniser_of(run, trained)
    seen = [[float(one) for one in frame] for frame in clip.score]
    body = {"xy": clip.xy.tolist(), "seen": seen, "size": list(clip.size or ()), "fps": clip.fps}
    with watched(recogniser.classifier.encoders) as given:
        recogniser.predict(validate(Clip, json.loads(json.dumps(body))).recording(Limits()))
    same(given, as_tested)


def test_a_stream(as_tested: Seen, run: Run, clip: Recording, trained: Trained) -> None:
    """Frame by frame, cut by the live segmenter."""
    recogniser = recogniser_of(run, trained)
    stream = Stream(recogniser.predict, size=clip.size, every=np.inf)
    with watched(recogniser.classifier.encoders) as given:
        signs = [sign for t in range(len(clip.xy)) for sign in stream.push(t / FPS, clip.xy[t], clip.score[t])]
        signs += stream.finish()
    assert len(signs) == 1
    same(given, as_tested)


class Front(nn.Module):
    """An exported network up to its encoders."""

    def __init__(self, portable: Portable) -> None:
        super().__init__()
        self.portable = portable

    def forward(self, xy: Tensor, seen: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        views = self.portable.viewer(
            collate_equal_length(torch.where((seen > 0)[..., None], xy, 0.0), seen, size, self.read)
        )
        return torch.cat([view.xy for view in views]), torch.cat([view.seen for view in views])

    @property
    def read(self) -> Any:
        return self.portable.read


def test_onnx(as_tested: Seen, run: Run, clip: Recording, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from twinsign.inference.export import quiet_exporter, traced_inputs

    example, shapes = traced_inputs()
    with torch.no_grad(), quiet_exporter():
        program: Any = torch.onnx.export(
            Front(Portable(run).eval()),
            example,
            input_names=INPUTS,
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    program.save(str(tmp_path / "front.onnx"), external_data=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "front.onnx"), providers=["CPUExecutionProvider"])
    xy, seen = session.run(None, stack_recordings([clip]))
    same([(torch.from_numpy(xy), torch.from_numpy(seen))], as_tested)


def test_the_disturbances_matter(run: Run, clip: Recording, as_tested: Seen, trained: Trained) -> None:
    """Each of them would be seen by the network, were it not made equal at the door."""
    changed = {
        "places": replace(clip, xy=clip.xy + np.float32(2e-3)),
        "no hands' wrists": replace(clip, score=np.where(np.arange(len(JOINTS)) % 21 == 0, 0, clip.score)),
    }
    recogniser = recogniser_of(run, trained)
    for one in changed.values():
        with watched(recogniser.classifier.encoders) as given:
            recogniser.predict(one)
        assert not all(torch.equal(*each) for each in zip(given[0], as_tested[0], strict=True))
    bare = replace(clip, score=np.where(np.arange(len(JOINTS)) >= TRUNK.start, 0, clip.score))
    with watched(recogniser.classifier.encoders) as given:
        recogniser.predict(bare)
    equal = all(torch.equal(*each) for each in zip(given[0], as_tested[0], strict=True))
    assert equal == bool(run.recipe.read.crop.ignore)
