"""Hostile files for everything that twinsign reads; anything but a TwinsignError is a failure.

    python benchmarks/fuzz.py [--seconds 60] [--bombs 0.3] [--only npz pack …] [--seed 0] [--case NUMBER] [--json F]

A failure is another error or warning, a crash, a case that takes more than --slow seconds of processor time or --memory
MB beside what the process had, memory that ran out, a file written elsewhere, a command run. Each is shown once, with
the number of its first case: --only TARGET --case NUMBER repeats it with its traceback. Of the cases, the share --bombs
are small files of great effect (helpers/bombs*.py), the others damaged ones (helpers/mutate*.py). Cases run in a
child process, since damage may end it.
"""

from __future__ import annotations

import argparse
import json
import math
import mmap
import os
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers import fuzz_datasets, fuzz_runs, fuzz_server, fuzz_targets
from helpers.bombs_binary import bomb_of

from twinsign.errors import TwinsignError

TARGETS = fuzz_targets.READERS | fuzz_datasets.TARGETS | fuzz_runs.TARGETS | fuzz_server.TARGETS
HANGS = 10
"""A case that has run so many times --slow is ended with its process."""
MOST = 4 * 10**9
"""Bytes of memory that a case gets beside what the process had: a bomb must not take the machine's."""
PATIENCE = 6
"""How much longer than its processor time a case may last, on a machine that does other work."""
SHARED = struct.Struct("qqd")
"""The case being tried, cases refused so far, when it began."""


def rng_of(name: str, seed: int, number: int) -> Random:
    """The same changes for the same case, on any machine."""
    return Random(f"{name} {seed} {number}")


def memory(what: str) -> int:
    """Bytes of memory that this process has (VmRSS), had at most (VmHWM) or has asked for (VmData)."""
    rows = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines())
    return int(rows[what].split()[0]) * 1024


def bound(given: Any) -> int:
    """Limit the next case's processor time and memory, and forget what the process had at most; bytes that it has."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime + given.slow * HANGS)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    resource.setrlimit(resource.RLIMIT_DATA, (memory("VmData") + MOST, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def ran_out(error: BaseException | None) -> bool:
    """Whether memory that was not there is behind an error."""
    return error is not None and (isinstance(error, MemoryError) or ran_out(error.__cause__))


def trial(name: str, seed: int, number: int, folder: Path, given: Any) -> str | None:
    """Run one case: "" where it was read, "refused", or what went wrong."""
    case, target = folder / "case", TARGETS[name]
    rng = rng_of(name, seed, number)
    fuzz_targets.write(target, case, rng, bomb_of if rng.random() < given.bombs else None)
    os.chdir(case)
    before, began, found = bound(given), time.process_time(), ""
    try:
        target.use(case)
    except TwinsignError as error:
        found = "memory:  ran out" if ran_out(error) else "refused"
    except Exception as error:
        frames = [one for one in traceback.extract_tb(error.__traceback__) if "twinsign" in one.filename]
        at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        found = f"{type(error).__name__} at {at}:  {str(error)[:120]}"
        if given.case is not None:
            traceback.print_exc()
    took, grown = time.process_time() - began, (memory("VmHWM") - before) / 1e6
    if took > given.slow:
        found = f"slow:  {took:.1f} s of CPU ({found or 'read'})"
    if grown > given.memory:
        found = f"memory:  {grown:.0f} MB ({found or 'read'})"
    strangers = [one.name for one in folder.iterdir() if one != case]
    if strangers or (case / "WITNESS").exists():
        found = f"wrote {strangers or 'WITNESS'}"
        for one in strangers:
            shutil.rmtree(folder / one, ignore_errors=True)
    return found


def worker(name: str, first: int, until: float, folder: Path, given: Any, shared: mmap.mmap, out: int) -> None:
    """Cases from number `first` on until time is up, failures as JSON lines into `out`."""
    warnings.simplefilter("error")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    refused, number = SHARED.unpack(shared[: SHARED.size])[1], first
    while time.time() < until:
        shared[: SHARED.size] = SHARED.pack(number, refused, time.time())
        found = trial(name, given.seed, number, folder, given)
        refused += found == "refused"
        if found not in ("", "refused"):
            os.write(out, (json.dumps([number, found]) + "\n").encode())
        number += 1
    shared[: SHARED.size] = SHARED.pack(number, refused, time.time())


def hunt(name: str, given: Any) -> dict[str, Any]:
    """Try one target for its seconds; counts, and failures by what they are, each with its first case and how many."""
    failures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as base:  # before any harm: it is read, and what is made once is made
        fuzz_targets.write(TARGETS[name], Path(base) / "case", None)
        TARGETS[name].use(Path(base) / "case")
    until, first = time.time() + given.seconds, given.first
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as base:
        shared = mmap.mmap(-1, SHARED.size)
        while time.time() < until:
            ear, mouth = os.pipe()
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    os.close(ear)
                    worker(name, first, until, Path(base), given, shared, mouth)
                    code = 0
                except Exception:
                    traceback.print_exc()
                finally:
                    os._exit(code)
            os.close(mouth)
            ended = watch(child, shared, given.slow * HANGS * PATIENCE)
            with os.fdopen(ear) as lines:
                for number, what in map(json.loads, lines):
                    _count(failures, what, number)
            first = SHARED.unpack(shared[: SHARED.size])[0]
            if ended == 0:
                break
            _count(failures, ended if isinstance(ended, str) else f"ended with {ended}", first)
            first += 1
        cases, refused, _ = SHARED.unpack(shared[: SHARED.size])
    return {"target": name, "cases": cases - given.first, "refused": refused, "failures": list(failures.values())}


def _count(failures: dict[str, dict[str, Any]], what: str, number: int) -> None:
    """One more failure of the kind that is said before the colon."""
    one = failures.setdefault(what.split(":  ")[0], {"what": what, "first": number, "times": 0})
    one["times"] += 1


def watch(child: int, shared: mmap.mmap, limit: float) -> int | str:
    """Wait for a child; its exit code, or what ended it."""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        began = SHARED.unpack(shared[: SHARED.size])[2]
        if began and time.time() - began > limit:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "hangs"
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--only", nargs="+", default=list(TARGETS), help="parts of targets' names")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--case", type=int, help="repeat one case of one target, and keep its files")
    parser.add_argument("--slow", type=float, default=2.0, help="seconds of processor time")
    parser.add_argument("--memory", type=float, default=200.0, help="megabytes")
    parser.add_argument("--bombs", type=float, default=0.3, help="share of the cases")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    names = [name for name in TARGETS if any(part in name for part in given.only)]
    if given.case is not None:
        folder = Path(tempfile.mkdtemp())
        warnings.simplefilter("error")
        fuzz_targets.write(TARGETS[names[0]], folder / "case", None)
        TARGETS[names[0]].use(folder / "case")
        print(trial(names[0], given.seed, given.case, folder, given) or "read", folder)
        return 0
    found = []
    for name in names:
        found.append(hunt(name, given))
        one = found[-1]
        print(f"{name}: {one['cases']} cases, {one['refused']} refused, {len(one['failures'])} failures", flush=True)
        for failure in one["failures"]:
            print(f"    {failure['what']} (case {failure['first']}, {failure['times']} times)", flush=True)
        if given.json:
            given.json.write_text(json.dumps({"seed": given.seed, "targets": found}, indent=2))
    return int(any(one["failures"] for one in found))


if __name__ == "__main__":
    sys.exit(main())
