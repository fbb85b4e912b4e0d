"""One recording to its answer, by each way there is: eager, compiled, ONNX, torch.export; time and memory of each.

    python benchmarks/latency.py --model RUN [--frames 64] [--json latency.json]

Cropping, view, network and ranking are in it, reading a file is not. Each way has a process of its own, one thread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from twinsign.bench.profiling import most_resident_mb
from twinsign.files import write_json
from twinsign.inference.export import FORMS, export_run
from twinsign.inference.export_module import stack_recordings
from twinsign.inference.recogniser import Recogniser
from twinsign.nn.networks import compile_encoders
from twinsign.pose.recording import Recording
from twinsign.synthetic.corpus import SyntheticConfig, synthesise

WAYS = ("eager", "compiled", ".onnx", ".pt2")
WARM_UP = 5


def recording_of(frames: int) -> Recording:
    """A generated sign, held until it is that long."""
    one, _ = next(iter(synthesise(SyntheticConfig())))
    place = np.linspace(0, len(one.xy) - 1, frames).round().astype(int)
    return Recording("clip", one.xy[place], one.score[place], one.unit, one.size)


def answering(model: str, way: str, folder: str) -> Callable[[Recording], Any]:
    """A recording to its answer, that way."""
    if way in FORMS:
        answer = FORMS[way].load(Path(folder) / f"model{way}")
        return lambda recording: answer(stack_recordings([recording]))
    recogniser = Recogniser.load(model)
    if way == "compiled":
        compile_encoders(recogniser.classifier)
    return recogniser.predict


def measure(model: str, way: str, folder: str, frames: int, runs: int) -> dict[str, float]:
    """Milliseconds of a clip, and the process's memory in MB before the model is there and at its most."""
    torch.set_num_threads(1)
    before, recording = most_resident_mb(), recording_of(frames)
    started = time.perf_counter()
    answer = answering(model, way, folder)
    answer(recording)
    first, spent = time.perf_counter() - started, []
    for _ in range(WARM_UP + runs):
        started = time.perf_counter()
        answer(recording)
        spent.append(1000 * (time.perf_counter() - started))
    found = {"median_ms": median(spent[WARM_UP:]), "p95_ms": quantiles(spent[WARM_UP:], n=20)[-1], "start_s": first}
    return {name: round(value, 2) for name, value in found.items()} | {
        "import_mb": before,
        "peak_mb": most_resident_mb(),
    }


def main() -> None:
    """Parse, export, measure each way in a process, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(measure(given.model, given.way, given.folder, given.frames, given.runs)))
        return
    found = {}
    with TemporaryDirectory() as folder:
        for way in FORMS:
            export_run(given.model, Path(folder) / f"model{way}")
        for way in WAYS:
            words = [sys.executable, __file__, *sys.argv[1:], "--way", way, "--folder", folder]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            found[way] = json.loads(done.stdout.splitlines()[-1])
            print(way, found[way], flush=True)
    if given.json:
        write_json(given.json, found)


if __name__ == "__main__":
    main()
