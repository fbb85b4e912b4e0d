"""What starting costs: processor time of short commands, and the most memory of longer ones (benchmarks/speed.py)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

REPEATS = 5
TWINSIGN = [sys.executable, "-m", "twinsign"]
Row = tuple[str, str, str]
"""What is measured, the figure, and its ratio to what it is compared with."""


def cost(words: list[str], ready: Callable[[], bool] | None = None) -> tuple[float, float]:
    """Processor seconds and MB at most of a process; one that serves is ended once it is `ready`."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if ready is not None:
        while not ready() and process.poll() is None:
            time.sleep(0.2)
        process.terminate()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, -15, 143):
        raise RuntimeError(f"{' '.join(words)}: {(process.stderr or sys.stderr).read()!r}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def start_up(folder: Path) -> Iterator[Row]:
    """Processor time of short commands, as a ratio to that of `import torch`."""
    commands = {
        "--help": ["--help"],
        "--version": ["--version"],
        "predict --help": ["predict", "--help"],
        "pretrain --help": ["pretrain", "--help"],
        "predict, one file, small": ["predict", str(folder / "clip.npz"), "--model", str(folder / "run")],
    }
    bare = [sys.executable, "-c", "import torch"]
    pairs = [
        (cost(bare)[0], {name: cost([*TWINSIGN, *words])[0] for name, words in commands.items()})
        for _ in range(REPEATS)
    ]
    yield "import torch", f"{median(torch for torch, _ in pairs):.2f} s", ""
    for name in commands:
        seconds, ratios = [found[name] for _, found in pairs], [found[name] / torch for torch, found in pairs]
        yield name, f"{median(seconds):.2f} s", f"{median(ratios):.2f} of import torch"


def memory(folder: Path) -> Iterator[Row]:
    """The most memory of a command, its own process alone."""
    run = str(folder / "run")
    yield "predict", f"{cost([*TWINSIGN, 'predict', str(folder / 'clip.npz'), '--model', run])[1]:.0f} MB", ""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]

    def answers() -> bool:
        try:
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).status)
        except OSError:
            return False

    yield "serve, no video", f"{cost([*TWINSIGN, 'serve', '--model', run, '--port', str(port)], answers)[1]:.0f} MB", ""
    words = ["pretrain", "--config", "small", "--data", str(folder / "clips.pack"), "--out", str(folder / "trained")]
    steps = ["--pretrain.steps", "3", "--pretrain.monitor_every", "0", "--trainer.threads", "1"]
    seconds, most = cost([*TWINSIGN, *words, *steps])
    yield "pretrain small, 3 steps", f"{most:.0f} MB", f"{seconds:.0f} s of processor time"
