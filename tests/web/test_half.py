"""Weights stored as float16: only where that is exact, and the network says the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.trained_runs import Trained

from twinsign.cli.main import main
from twinsign.web.half import halve_exact_weights, strip_notes

onnx = pytest.importorskip("onnx", reason="needs the extra `export`")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra `export`")


def answers(file: Path) -> list[np.ndarray]:
    """What a network says of a clip of noise."""
    session = onnxruntime.InferenceSession(file)
    random = np.random.default_rng(0)
    given = {}
    for entry in session.get_inputs():
        shape = [size if isinstance(size, int) else {0: 1, 1: 30}.get(axis, 1) for axis, size in enumerate(entry.shape)]
        kind = np.float32 if entry.type == "tensor(float)" else bool if entry.type == "tensor(bool)" else np.int64
        given[entry.name] = random.random(shape).astype(np.float32) if kind is np.float32 else np.ones(shape, kind)
    return session.run(None, given)


def test_a_shipped_model_halves_and_says_the_same(tmp_path: Path) -> None:
    assert main(["export", "--model", "asl300", "--out", str(tmp_path / "whole.onnx")]) == 0
    half = Path(shutil.copy(tmp_path / "whole.onnx", tmp_path / "half.onnx"))
    assert halve_exact_weights(half) > 4_000_000
    strip_notes(half)
    assert b"/src/twinsign/" in (tmp_path / "whole.onnx").read_bytes()
    assert b"/src/twinsign/" not in half.read_bytes(), "no paths of the machine that made it"
    assert half.stat().st_size < 0.56 * (tmp_path / "whole.onnx").stat().st_size
    for before, after in zip(answers(tmp_path / "whole.onnx"), answers(half), strict=True):
        np.testing.assert_allclose(before, after, rtol=1e-5, atol=1e-7)  # the runtime fuses other operations


def test_weights_that_float16_cannot_hold_stay(trained: Trained, tmp_path: Path) -> None:
    assert main(["export", "--model", str(trained.finetuned), "--out", str(tmp_path / "a.onnx")]) == 0
    before = {tensor.name for tensor in onnx.load(tmp_path / "a.onnx").graph.initializer}
    assert halve_exact_weights(tmp_path / "a.onnx") < 100_000
    after = {tensor.name for tensor in onnx.load(tmp_path / "a.onnx").graph.initializer}
    assert len(before & after) > 10
