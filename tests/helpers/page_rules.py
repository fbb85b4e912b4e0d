"""The page's JavaScript run by Node.js: rules that the browser shares with Python."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from twinsign.streaming.segmenter import Frame

SCRIPT = Path(__file__).parents[1] / "web" / "page_rules.mjs"
PAGES = (("serve", "page"), ("web", "page"))


def decide(task: str, given: Any, folder: Path) -> Any:
    """What the page's rules decide; `folder` takes the page's files. The test is skipped where there is no Node.js."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js on this machine: the page's rules are not compared with Python's")
    pages = folder / "page"
    pages.mkdir(exist_ok=True)
    (pages / "package.json").write_text('{"type": "module"}')
    for names in PAGES:
        for file in Path(str(resources.files("twinsign"))).joinpath(*names).glob("*.js"):
            shutil.copy(file, pages / file.name)
    words = [node, str(SCRIPT), str(pages), task]
    done = subprocess.run(words, input=json.dumps(given), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def floats(values: ArrayLike) -> str:
    """Numbers as the page reads them."""
    return base64.b64encode(np.ascontiguousarray(values, np.float32).tobytes()).decode()


def frames_to_json(frames: Sequence[Frame], size: tuple[int, int] | None) -> dict[str, Any]:
    """A stream's frames."""
    xy, score = (np.stack([getattr(frame, name) for frame in frames]) for name in ("xy", "score"))
    return {"times": [frame.time for frame in frames], "xy": floats(xy), "score": floats(score), "size": size}
