"""What a pack of many clips costs: to write, to open, to read random batches of.

python benchmarks/pack_scale.py                                        # small, seconds
python benchmarks/pack_scale.py --clips 204000 --frames 100 --out DIR   # five datasets' worth
python benchmarks/pack_scale.py --clips 2000000 --frames 5 --out DIR    # many short clips

Every measurement is a process of its own, so that its memory is its own. Reads are from a cold cache where the system
lets a file's pages go; `--limit_mb` bounds the private memory of a reading process (RLIMIT_DATA), so that nothing can
have been loaded that does not fit. Mapped pages are the system's: it takes them back when it needs them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

GPU_TFLOPS = 989.0
"""Dense bfloat16 peak of an H100 SXM."""
SPLITS = ("train",) * 8 + ("val", "test")
BASES = 64


def generated(clips: int, frames: int) -> Any:
    """A corpus of random walks, each clip a shifted one of a few: cheap to make, as large as a real one."""
    from twinsign.datasets.sample import Corpus, Sample
    from twinsign.pose.layout import JOINT_COUNT
    from twinsign.pose.recording import Recording

    rng = np.random.default_rng(0)
    walks = rng.normal(0, 0.01, (BASES, frames, JOINT_COUNT, 2)).cumsum(axis=1).astype(np.float32) + np.float32(0.4)
    scores = (rng.random((BASES, frames, JOINT_COUNT)) < 0.8).astype(np.float32)

    class Clips(Sequence[Sample]):
        def __len__(self) -> int:
            return clips

        def __getitem__(self, number: Any) -> Any:
            name = f"clip{range(clips)[number]:07d}"
            row = {"gloss": f"gloss{number % 2000}", "split": SPLITS[number % len(SPLITS)], "signer": f"s{number % 50}"}
            shift = np.float32(number % 997 / 9970)
            base = number % BASES
            return Sample(name, lambda: Recording(name, walks[base] + shift, scores[base], fps=25.0), row)

    return Corpus(Clips())


def write(pack: Path, options: argparse.Namespace) -> dict[str, float]:
    """Seconds to write, and the largest memory of this process and of the largest worker."""
    from twinsign.pack.write import PackOptions, write_pack

    started = time.perf_counter()
    write_pack(
        generated(options.clips, options.frames), pack, options=PackOptions(options.workers, 300, options.shard_clips)
    )
    seconds = time.perf_counter() - started
    peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"seconds": seconds, "peak_mb": peaks[0], "worker_peak_mb": peaks[1]}


def opened(pack: Path, options: argparse.Namespace) -> dict[str, float]:
    """Milliseconds to open, to read the first clip after it, and seconds until every row can be chosen by its split."""
    from twinsign.pack.open import Pack

    before, times = _own_mb(), []
    for _ in range(options.repeats):
        started = time.perf_counter()
        found = Pack(pack)
        times.append(1000 * (time.perf_counter() - started))
    opened_mb = _own_mb() - before
    started = time.perf_counter()
    found.flat([len(found) // 2])
    first = 1000 * (time.perf_counter() - started)
    started = time.perf_counter()
    found.select(["train"])
    seconds = time.perf_counter() - started
    return {
        "cold_ms": times[0],
        "warm_ms": statistics.median(times[1:] or times),
        "own_mb": opened_mb,
        "first_clip_ms": first,
        "choose_s": seconds,
        "choose_own_mb": _own_mb() - before,
    }


def read(pack: Path, options: argparse.Namespace, processes: int) -> dict[str, float]:
    """Clips a second in random batches, from a cold cache and from a warm one: poses, or cropped as in training."""
    import torch

    from twinsign.pack.open import Pack
    from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader
    from twinsign.views.config import ReadConfig

    torch.set_num_threads(1)
    if options.limit_mb:
        resource.setrlimit(resource.RLIMIT_DATA, (options.limit_mb << 20, options.limit_mb << 20))
    found: dict[str, float] = {}
    source = Pack(pack)
    if processes == 0:
        for name in ("cold", "warm"):
            rng, times = np.random.default_rng(1), []
            for _ in range(options.batches):
                rows = rng.integers(0, len(source), options.batch)
                started = time.perf_counter()
                source.flat(rows)
                times.append(time.perf_counter() - started)
            found[f"{name}_clips_per_s"] = options.batch / statistics.median(times)
        found["own_mb"] = _own_mb()
        found["read_mb"] = int(_status("/proc/self/io", "read_bytes")) / 1e6
        return found
    for name in ("cold", "warm"):
        reader = ClipReader(source, np.arange(len(source)), ReadConfig())
        order = ClipBatchSampler(len(reader), options.batch, seed=2, shuffle=True, drop_last=True)
        stream = iter(ClipLoader(reader, order, workers=0 if processes == 1 else processes))
        next(stream)
        started, count = time.perf_counter(), min(options.batches, len(order) - 1)
        for _ in range(count):
            next(stream)
        found[f"{name}_clips_per_s"] = count * options.batch / (time.perf_counter() - started)
    return found


def gpu_appetite() -> dict[str, float]:
    """The most clips a second that one H100 could train on, if the paper's model ran at the peak and nothing waited."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from twinsign.runs.recipe import load_recipe
    from twinsign.ssl.pretrain import Pretrainer
    from twinsign.views.clips import View

    recipe, clips = load_recipe("paper"), 2
    model = Pretrainer(recipe.encoder, recipe.objective)
    shape = (clips, recipe.pretrain.frames, 49)
    views = [View(torch.rand(*shape, 2), torch.rand(*shape) < 0.9) for _ in range(2)]
    with FlopCounterMode(display=False) as counter:
        model(*views).loss.backward()
    gflop = counter.get_total_flops() / clips / 1e9
    return {"gflop_per_clip": gflop, "clips_per_s_at_peak": 1000 * GPU_TFLOPS / gflop}


def _status(file: str, name: str) -> str:
    lines = dict(line.split(":", 1) for line in Path(file).read_text().splitlines() if ":" in line)
    return lines[name].split()[0]


def _own_mb() -> float:
    return int(_status("/proc/self/status", "RssAnon")) / 1024


def _forget(pack: Path) -> None:
    """Ask the system to drop the pack from its cache."""
    for file in [pack] if pack.is_file() else sorted(pack.iterdir()):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    """Measure each step in a process of its own and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"clips": 2000, "frames": 60, "batch": 64, "batches": 200, "repeats": 6}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    for name in ("workers", "shard_clips", "limit_mb"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument(
        "--out", type=Path, help="Folder for the pack, deleted at the end; a temporary one unless told."
    )
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.out or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    pack = folder / "scale.pack"
    steps = {
        "write": lambda: write(pack, options),
        "open": lambda: opened(pack, options),
        "poses": lambda: read(pack, options, 0),
        "cropped, 1 process": lambda: read(pack, options, 1),
        "cropped, 2 processes": lambda: read(pack, options, 2),
        "gpu": gpu_appetite,
    }
    if options.step:
        print(json.dumps({name: round(value, 2) for name, value in steps[options.step]().items()}))
        return
    try:
        for name in steps:
            if name != "write":
                _forget(pack)
            command = [sys.executable, *sys.argv, "--out", str(folder), "--step", name]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            values = json.loads(done.stdout)
            if name == "write":
                files = [pack] if pack.is_file() else list(pack.iterdir())
                values["bytes_per_clip"] = round(sum(file.stat().st_size for file in files) / options.clips, 1)
            print(json.dumps({name: values}), flush=True)
    finally:
        shutil.rmtree(pack, ignore_errors=True) if pack.is_dir() else pack.unlink(missing_ok=True)
        if options.out is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
