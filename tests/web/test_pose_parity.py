"""Holistic in the browser finds what it finds in Python, on a real video (Chromium, npm's files, extra `video`)."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.browsers import static

from twinsign.pose.layout import JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.web.skeleton import skeleton

pytestmark = pytest.mark.slow
pytest.importorskip("mediapipe", reason="needs the extra `video`: run `make video`")
VIDEO = "30160"
LARGEST_MEDIAN = 0.01
"""Fraction of the picture."""
LEAST_AGREEMENT = 0.9
"""Share of the frames in which both find a hand, or neither does."""
READ = """async (layout) => {
  const { loadEstimator } = await import(new URL("page/pose.js", location.href).href);
  const { eachFrame } = await import(new URL("page/video.js", location.href).href);
  const estimator = await loadEstimator(layout);
  const frames = [];
  await eachFrame(document.getElementById("file").files[0], async (video) => {
    const { xy, score } = await estimator.estimate(video);
    frames.push([[...xy], [...score]]);
  });
  return frames;
}"""


def test_joints_are_where_python_finds_them(browser: Any, vendor: Path, data_dir: Path, tmp_path: Path) -> None:
    from twinsign.extract.clip import extract
    from twinsign.extract.config import HOLISTIC
    from twinsign.extract.estimator import load_estimator

    video = data_dir / "videos" / "wlasl" / f"{VIDEO}.mp4"
    wanted = extract(video, load_estimator(HOLISTIC)).recording.fractions()
    shutil.copytree(str(resources.files("twinsign") / "serve" / "page"), tmp_path / "page")
    shutil.copytree(vendor, tmp_path / "page" / "vendor")
    (tmp_path / "index.html").write_text("<!doctype html><body><input id=file type=file>")
    with static(tmp_path) as address:
        page = browser.new_page()
        page.goto(address)
        page.set_input_files("#file", str(video))
        frames = page.evaluate(READ, skeleton())
        page.close()
    assert len(frames) == len(wanted.xy)
    xy = np.asarray([frame[0] for frame in frames]).reshape(-1, JOINT_COUNT, 2)
    seen = np.asarray([frame[1] for frame in frames]) > 0
    for part in (RIGHT_HAND, LEFT_HAND, TRUNK):
        both = seen[:, part] & wanted.seen[:, part]
        distance = np.linalg.norm(xy[:, part] - wanted.xy[:, part], axis=-1)[both]
        assert np.median(distance) < LARGEST_MEDIAN
        same = seen[:, part].any(axis=1) == wanted.seen[:, part].any(axis=1)
        assert same.mean() >= LEAST_AGREEMENT
