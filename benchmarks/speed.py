"""The figures of docs/speed.md on this machine: start-up, memory, steps, predict, live frames, 1,000 clips, the demo.

python benchmarks/speed.py [PART ...] [--video FILE] [--json speed.json]

Parts: start_up memory steps predict live thousand demo. Seconds are processor time of one thread, which a busy
neighbour hardly lengthens, and ratios are of runs close together; only the demo's phases are by the wall clock. Each
part has a process of its own. To measure like a processor without AVX-512 and bfloat16:

    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 OMP_NUM_THREADS=1 python …
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from start_up import TWINSIGN, Row, memory, start_up

from twinsign.cli.console import print_table
from twinsign.files import write_json

GLOSSES = 300
AIM_OF_PEAK = 0.6
FPS = 25


def steps(folder: Path) -> Iterator[Row]:
    """Training steps as a share of the peak of matrix products, and against the usual form of the same network."""
    from versus_reference import compare

    from twinsign.pack.open import Pack
    from twinsign.runs.recipe import load_recipe

    for name in ("small", "demo"):
        recipe = load_recipe(name)
        found: Any = compare(recipe, Pack(folder / "clips.pack"), 1, 3)
        for kind, rate in found["sequences_per_s"].items():
            share, ratio = 100 * found["of_gemm_peak"][kind], found["ratio"][kind]
            against = "" if kind.startswith("usual") else f", {ratio:.2f} times the usual form"
            yield f"step of {name}, {kind}", f"{rate:.1f} clips/s", f"{share:.0f} % of the peak{against}"
        rates = ", ".join(f"{dtype} {peak:.0f}" for dtype, peak in found["gemm_gflops"].items())
        yield f"peak beside {name}", f"{rates} GFLOP/s", ""


def predict(folder: Path) -> Iterator[Row]:
    """A recording to its answer in a process that has the model loaded."""
    from latency import recording_of

    seconds = _answer_seconds(folder, recording_of(64))
    first, rest = seconds[0], median(seconds[3:])
    yield "predict, 64 frames, warm", f"{1000 * rest:.1f} ms", f"{rest / first:.2f} of the first"


def _answer_seconds(folder: Path, recording: Any) -> list[float]:
    import torch

    from twinsign.inference.recogniser import Recogniser
    from twinsign.train.precision import clock_of, seconds_of

    torch.set_num_threads(1)
    recogniser, cpu = Recogniser.load(folder / "run"), torch.device("cpu")
    return seconds_of(lambda: recogniser.predict(recording), cpu, 43, 0, clock=clock_of(cpu))


def live(folder: Path, video: str = "") -> Iterator[Row]:
    """What a frame of a live stream costs, of the 40 ms that there are at 25 a second."""
    import torch
    from latency import recording_of

    from twinsign.inference.recogniser import Recogniser
    from twinsign.streaming.stream import Stream

    torch.set_num_threads(1)
    recogniser, recording = Recogniser.load(folder / "run"), recording_of(100).fractions()
    stream = Stream(recogniser.predict, size=recording.size)
    with_answer: list[float] = []
    without: list[float] = []
    for frame, (xy, score) in enumerate(zip(recording.xy, recording.score, strict=True)):
        started = time.process_time()
        (with_answer if stream.push(frame / FPS, xy, score) else without).append(time.process_time() - started)
    mean = (sum(with_answer) + sum(without)) / len(recording.xy)
    found = {"live frame, mean": mean, "of those without a guess": median(without)}
    found |= {"of those with one, every 0.4 s": median(with_answer)} if with_answer else {}
    found |= {"MediaPipe, a frame of the video": median(_estimated(video))} if video else {}
    for name, seconds in found.items():
        yield name, f"{1000 * seconds:.2f} ms", f"{100 * seconds * FPS:.1f} % of 40 ms"


def _estimated(video: str) -> list[float]:
    from twinsign.extract.camera import open_camera
    from twinsign.extract.holistic import LiveHolistic

    seconds, holistic = [], LiveHolistic()
    with open_camera(video) as frames:
        for _, image in frames:
            started = time.process_time()
            holistic.estimate(image)
            seconds.append(time.process_time() - started)
    holistic.close()
    return seconds[3:]


def thousand(folder: Path) -> Iterator[Row]:
    """Embedding and evaluating 1,000 clips, beside their forward passes at 60 % of the peak."""
    import torch

    from twinsign.bench.profiling import reference_gflop
    from twinsign.evaluation.evaluate import evaluate
    from twinsign.inference.embeddings import write_embeddings
    from twinsign.nn.classifier import branch_features
    from twinsign.pack.open import Pack
    from twinsign.pack.selection import ClipSelection
    from twinsign.runs.models import evaluation_loader, load_classifier, viewer_of
    from twinsign.runs.run import load_run
    from twinsign.train.precision import gemm_gflops

    torch.set_num_threads(1)
    run, pack = load_run(folder / "run"), Pack(folder / "thousand.pack")
    rows, model = pack.select(None), load_classifier(run)
    clips = next(iter(evaluation_loader(pack, rows, run.recipe)))
    batch = viewer_of(run)(clips)
    with torch.no_grad():
        gflop = len(rows) / len(clips) * reference_gflop(lambda: branch_features(model.encoders, batch), model)
    peak = gemm_gflops(torch.device("cpu"), types=[torch.float32])["float32"]
    least = gflop / peak / AIM_OF_PEAK
    yield "forward passes of 1,000 clips", f"{gflop:.0f} GFLOP", f"{least:.1f} s at 60 % of the peak"
    jobs: dict[str, Callable[[], Any]] = {
        "embed": lambda: write_embeddings(folder / "own.parquet", run, pack, rows),
        "evaluate": lambda: evaluate(folder / "run", ClipSelection([folder / "thousand.pack"]), None),
    }
    for name, job in jobs.items():
        started = time.process_time()
        job()
        spent = time.process_time() - started
        yield f"{name} 1,000 clips", f"{spent:.1f} s", f"{spent / least:.2f} of that"


def demo(folder: Path) -> Iterator[Row]:
    """The phases of `twinsign demo` by the wall clock."""
    words = [*TWINSIGN, "demo", "--out", str(folder / "demo"), "--progress", "false"]
    started = at = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    phase = "start"
    for line in process.stdout or ():
        if line[:2] in ("1.", "2.", "3.") or "seconds. What" in line:
            now = time.monotonic()
            yield f"demo: {phase}", f"{now - at:.0f} s", ""
            phase, at = line[3:].strip(" :\n")[:50], now
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    spent, seconds = used.ru_utime + used.ru_stime, time.monotonic() - started
    yield "demo, whole", f"{seconds:.0f} s", f"{spent:.0f} s of processor time"


PARTS: dict[str, Callable[..., Iterator[Row]]] = {
    part.__name__: part for part in (start_up, memory, steps, predict, live, thousand, demo)
}


def prepare(folder: Path) -> None:
    """An untrained classifier of the recipe `small` as a RUN, packs and a clip: speed does not depend on weights."""
    from latency import recording_of

    from twinsign.cli.commands.bench import CLIPS
    from twinsign.nn.classifier import Classifier
    from twinsign.pack.write import write_pack
    from twinsign.pose.read import write_npz
    from twinsign.runs.recipe import load_recipe
    from twinsign.runs.run import Run, save_run
    from twinsign.synthetic.corpus import SyntheticConfig, synthetic_corpus

    recipe, thousand = load_recipe("small"), SyntheticConfig(glosses=25, signers=20, clips_per_signer_gloss=2)
    write_pack(synthetic_corpus(CLIPS).samples, folder / "clips.pack")
    write_pack(synthetic_corpus(thousand).samples, folder / "thousand.pack")
    labels = [gloss.name for gloss in thousand.signs()]
    labels += [f"another {number}" for number in range(GLOSSES - len(labels))]
    run = Run(folder / "run", "classifier", recipe, labels, {"protocol": "linear"})
    save_run(run, Classifier(recipe.encoder, recipe.linear.head, GLOSSES))
    write_npz(recording_of(64), folder / "clip.npz")


def measure(part: str, folder: Path, video: str) -> None:
    """In a process of its own: print each row as a line of JSON as soon as it is there."""
    rows = PARTS[part](folder, video) if part == "live" else PARTS[part](folder)
    for row in rows:
        print(json.dumps(row), flush=True)


def main() -> None:
    """Parse, measure each part in a process, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[*PARTS], metavar="PART")
    parser.add_argument("--video", default="", help="a video, for MediaPipe's share of a live frame")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := {*given.parts} - {*PARTS, "prepare"}:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if given.folder:
        (prepare(given.folder) if given.parts == ["prepare"] else measure(given.parts[0], given.folder, given.video))
        return
    rows: list[Row] = []
    with TemporaryDirectory() as name:
        for part in ("prepare", *given.parts):  # this process stays small: what it starts would inherit its peak
            words = [sys.executable, __file__, part, "--folder", name, "--video", given.video]
            with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
                for line in process.stdout or ():
                    if line.startswith("["):
                        rows.append(tuple(json.loads(line)))
                        print(*rows[-1], sep="; ", file=sys.stderr, flush=True)
            if process.returncode:
                sys.exit(process.returncode)
    print_table("speed", ["", " ", "  "], rows)
    if given.json:
        write_json(given.json, {"rows": rows, "processor": platform.processor() or platform.machine()})


if __name__ == "__main__":
    main()
