"""Many requests of mixed kinds to a real server on this machine: how many a second, and whether its memory grows.

    python benchmarks/serve_soak.py --model RUN --requests 100000 --json soak.json

Poses, batches, files, bad bodies, and enrolling with deleting; clips are made, so no data are needed. The slope is
that of least squares through the server's memory (RSS) in each hundredth, after the first fifth.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np

from twinsign.pose.read import write_npz
from twinsign.synthetic.corpus import SyntheticConfig, synthesise

PATIENCE = 120
WARM = 0.2
"""The share of requests before the slope is taken."""
STEPS = 100
Request = tuple[str, str, dict[str, Any]]


def clips(count: int) -> list[dict[str, Any]]:
    """Made clips as bodies of /predict, which show a hand."""
    found = []
    for recording, _ in synthesise(SyntheticConfig(glosses=4, signers=10, clips_per_signer_gloss=1)):
        if recording.seen[:, :42].any():
            found.append({"xy": recording.xy.tolist(), "seen": recording.score.tolist(), "fps": recording.fps})
        if len(found) == count:
            break
    return found


def file_content() -> bytes:
    """A clip as an .npz file."""
    recording = next(one for one, _ in synthesise(SyntheticConfig(glosses=4, signers=10)) if one.seen[:, :42].any())
    with tempfile.TemporaryDirectory() as folder:
        write_npz(recording, Path(folder) / "a.npz")
        return (Path(folder) / "a.npz").read_bytes()


def requests(bodies: list[dict[str, Any]], file: bytes) -> list[list[Request]]:
    """One round of a hundred requests: twelve times the eight that only ask, then signs enrolled and deleted."""
    typed = {"headers": {"Content-Type": "application/json"}}

    def body_of(value: Any) -> dict[str, Any]:
        return {"content": json.dumps(value).encode(), **typed}  # made once, or the client would be what is measured

    kinds: list[list[Request]] = [[("POST", "/predict", body_of(body))] for body in bodies[:4]]
    kinds += [[("POST", "/predict/batch", body_of({"clips": bodies[:2]}))]]
    kinds += [[("POST", "/predict/file?name=a.npz", {"content": file})]]
    kinds += [[("POST", "/predict", {"content": b'{"xy": [[[1, "x"]]]}', **typed})]]
    kinds += [[("POST", "/predict/file?name=a.npz", {"content": file[:200]})]]
    kept = body_of({"gloss": "soak", "clip": bodies[-1]})
    return [*(12 * kinds), *(2 * [[("POST", "/dictionary", kept), ("DELETE", "/dictionary?name=soak", {})]])]


def rss(process: int) -> float:
    """Megabytes of memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def slope(sent: list[int], megabytes: list[float]) -> float:
    """Megabytes per 10,000 requests, by least squares, after the first share `WARM`."""
    after = np.asarray(sent) >= WARM * sent[-1]
    return float(np.polyfit(np.asarray(sent)[after], np.asarray(megabytes)[after], 1)[0] * 10_000)


def soak(client: httpx.Client, process: int, count: int) -> dict[str, Any]:
    """Send `count` requests one after another; what came back, and the server's memory at each hundredth."""
    round_ = [request for kind in requests(clips(5), file_content()) for request in kind]
    statuses, sent, megabytes = Counter[str](), [0], [rss(process)]
    started = time.perf_counter()
    for number in range(count):
        method, path, body = round_[number % len(round_)]
        answer = client.request(method, path, **body)
        statuses[f"{method} {path.split('?')[0]} {answer.status_code}"] += 1
        if number + 1 >= (len(sent)) * count / STEPS:
            sent.append(number + 1)
            megabytes.append(rss(process))
            print(f"{100 * (number + 1) / count:5.1f} %  {megabytes[-1]:8.1f} MB", flush=True)
    spent = time.perf_counter() - started
    return {
        "requests": count,
        "seconds": spent,
        "requests_per_s": count / spent,
        "statuses": dict(sorted(statuses.items())),
        "mb_per_10000": slope(sent, megabytes),
        "sent": sent,
        "mb": megabytes,
    }


def main() -> None:
    """Start a server, soak it, say what was found; exit code 1 where a request failed that should not have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="RUN of finetune or linear")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the server ends, too
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        words = [sys.executable, "-m", "twinsign", "serve", "--model", options.model, "--port", str(port)]
        words += ["--dictionary", str(Path(folder) / "signs"), "--limits.per_minute", "1000000"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
                await_server(client, process)
                found = soak(client, process.pid, options.requests)
        finally:
            process.terminate()
            process.wait(30)
    print(json.dumps({name: value for name, value in found.items() if name not in ("sent", "mb")}, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.exit(any(status.endswith(("500", "503", "429")) for status in found["statuses"]))


def await_server(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Wait until it answers."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            client.get("/health")
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    sys.exit("no server")


if __name__ == "__main__":
    main()
