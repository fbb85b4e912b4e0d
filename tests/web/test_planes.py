"""Bytes in planes: hosts compress them further, and the page puts them together again."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.browsers import static

from twinsign.web.build import SHARED
from twinsign.web.planes import SUFFIX, split_planes

NODE = """
const { fetchPlanes } = await import(process.argv[1]);
const wholes = await Promise.all(process.argv.slice(2).map((address) => fetchPlanes(address)));
console.log(JSON.stringify(wholes.map((whole) => [...whole])));
"""


@pytest.mark.parametrize("content", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_the_page_puts_them_together(content: bytes, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js on this machine")
    (tmp_path / f"file{SUFFIX}").write_bytes(split_planes(content))
    with static(tmp_path) as address:
        words = [node, "--input-type=module", "-e", NODE, str(SHARED / "loading.js"), f"{address}file{SUFFIX}"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert bytes(json.loads(done.stdout)[0]) == content


def test_numbers_of_half_precision_take_less() -> None:
    numbers = np.random.default_rng(0).normal(0, 0.02, 100_000).astype("<f2").tobytes()
    assert len(gzip.compress(split_planes(numbers))) < 0.95 * len(gzip.compress(numbers))
