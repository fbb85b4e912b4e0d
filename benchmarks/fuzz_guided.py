"""The readers of poses led by coverage: python benchmarks/fuzz_guided.py NAME.pkl -max_total_time=60 (of libFuzzer)

Needs atheris (pip install atheris), which is no development tool of this project: it has wheels for a few Pythons only.
The first file of the target is what it makes up; an error that is no TwinsignError ends it, with the bytes that did it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

with atheris.instrument_imports(include=["twinsign.pose.read", "pose_format"]):
    from helpers import fuzz_targets

from twinsign.errors import TwinsignError

NAME = sys.argv[1]
TARGET = fuzz_targets.READERS[NAME]
FOLDER = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


def one(data: bytes) -> None:
    """Read these bytes instead of the target's first changing file."""
    fuzz_targets.write(TARGET, FOLDER / "case", None)
    (FOLDER / "case" / next(iter(TARGET.mutators))).write_bytes(data)
    try:
        TARGET.use(FOLDER / "case")
    except TwinsignError:
        return


def main() -> None:
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    (corpus / "valid").write_bytes(TARGET.files[next(iter(TARGET.mutators))])
    atheris.Setup([sys.argv[0], *sys.argv[2:], str(corpus)], one)
    os.chdir(FOLDER)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
