"""Commands killed before each of their changes to the disk, then run again: what is lost, blocked, or left lying about.

python tests/helpers/kill_commands.py FOLDER [--only NAME …] [--every N]

One process makes the inputs once and forks for each kill: the child counts its changes (files opened to be written,
renamed, removed; folders made) and ends itself by SIGKILL before the one that is asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pose_format import Pose
from safetensors.torch import load_file

from helpers import tiny_configs
from helpers.kill_inputs import make_checkpoint, make_files
from twinsign.cli.main import build_parser, main
from twinsign.pack.open import Pack
from twinsign.runs.run import load_run

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CONFIG = ("--config", "tiny.yaml")
DATA = ("--data", "P")
FOLDER = ("pack", "folder", "--poses", "poses")
CORPUS = ("pack", "synthetic", *tiny_configs.CORPUS)
COMMANDS: dict[str, tuple[str, ...]] = {
    "pack": (*CORPUS, "--workers", "0", "--out", "new"),
    "pack over": (*CORPUS, "--corpus.seed", "1", "--workers", "0", "--out", "P"),
    "pack shards": (*CORPUS, "--workers", "0", "--shard_clips", "16", "--out", "shards"),
    "pack shards over": (*CORPUS, "--corpus.seed", "1", "--workers", "0", "--shard_clips", "16", "--out", "S"),
    "pack folder": (*FOLDER, "--annotations", "poses.csv", "--json", "n.json", "--workers", "0", "--out", "new"),
    "pack lsa64": ("pack", "lsa64", "--poses", "lsa64", "--workers", "0", "--out", "new"),
    "pack set": ("pack", "set", "--data", "set.npz", "--workers", "0", "--out", "new"),
    "pack landmarks": ("pack", "landmarks", "--data", "set.npz", "--workers", "0", "--out", "new"),
    "doctor": ("doctor", "P", "--json", "d.json", "--html", "d.html", "--fix", "fixed"),
    "fold": ("fold", "P", "--out", "folded"),
    "pretrain": ("pretrain", *CONFIG, *DATA, "--out", "new"),
    "finetune": ("finetune", *CONFIG, *DATA, "--init", "pretrained", "--out", "new", "--json", "n.json"),
    "linear": ("linear", *CONFIG, *DATA, "--init", "pretrained", "--out", "new"),
    "average": ("average", "one", "two", "--out", "new"),
    "ensemble": ("ensemble", "one", "two", "--out", "new"),
    "evaluate": ("evaluate", "--model", "linear", *DATA, "--json", "e.json", "--scores", "e.npz"),
    "calibrate": ("calibrate", "--model", "linear", *DATA),
    "knn": ("knn", "--model", "pretrained", *DATA, *CONFIG, "--json", "k.json"),
    "retrieve": ("retrieve", "--model", "pretrained", *DATA, "--json", "r.json"),
    "embed": ("embed", "--model", "pretrained", *DATA, "--out", "f.parquet"),
    "fuse": ("fuse", "a.npz", "b.npz", "--json", "f.json", "--out", "f.npz"),
    "compare": ("compare", "a.npz", "b.npz", "--json", "c.json"),
    "robustness": ("robustness", "--model", "linear", *DATA, "--kinds", "noise", "--out", "r.html"),
    "map": ("map", "--model", "pretrained", *DATA, "--split", "all", "--out", "m.html"),
    "convert": ("convert", "../released.pth.tar", "--out", "new"),
    "export": ("export", "--model", "linear", "--out", "m.pt2"),
    "view": ("view", "P", "--index", "0", "--out", "v.svg"),
    "card": ("card", "linear"),
    "enrol": ("enrol", *DATA, "--model", "pretrained", "--dictionary", "new"),
    "enrol more": ("enrol", *DATA, "--split", "test", "--dictionary", "D"),
    "delete": ("enrol", "--delete", "FLAT-FOREHEAD-STRAIGHT-ONE", "--dictionary", "D"),
}
SCORES = [("evaluate", "--model", "linear", *DATA, "--split", "test", "--scores", name) for name in ("a.npz", "b.npz")]
MEMBERS = [
    ("finetune", *CONFIG, *DATA, "--init", "pretrained", "--seed", seed, "--out", out)
    for seed, out in (("0", "one"), ("1", "two"))
]
"""The RUNs that average and ensemble make one of."""
AGAIN = {"delete": (0, 2), "doctor": (0, 1), "extract": (0, 3)}
"""Exit codes of a second run that is not blocked: nothing left to delete, findings, a video in which nobody is."""
if find_spec("mediapipe"):
    COMMANDS["extract"] = ("extract", "films", "--workers", "1", "--out", "new")


@dataclass
class Count:
    """Of one command: changes to the disk, kills, and which of these ended badly."""

    changes: int = 0
    kills: int = 0
    lost: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def load_all(chosen: list[str]) -> None:
    """Import here what every child would import anew."""
    for words in (COMMANDS[name] for name in chosen):
        build_parser(words)
    modules = ["train.protocols", "dictionary.lookup", "inference.export", "report.tsne", "report.run_page"]
    for module in (*modules, *(["hub.card"] if "card" in chosen else [])):
        import_module(f"twinsign.{module}")


def make_inputs(folder: Path) -> None:
    """A pack, a folder of shards, RUNs and a dictionary, by the commands themselves."""
    folder.mkdir(parents=True)
    tiny_configs.write_recipe(folder)
    with at(folder):
        for words in (
            (*CORPUS, "--workers", "0", "--out", "P"),
            (*CORPUS, "--workers", "0", "--shard_clips", "16", "--out", "S"),
            ("pretrain", *CONFIG, *DATA, "--out", "pretrained"),
            ("linear", *CONFIG, *DATA, "--init", "pretrained", "--out", "linear"),
            *MEMBERS,
            ("enrol", *DATA, "--model", "pretrained", "--dictionary", "D"),
            *SCORES,
        ):
            assert forked(lambda words=words: main(words)) == 0, words
    make_files(folder)


@contextmanager
def at(folder: Path) -> Iterator[None]:
    """Work in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def forked(work: Callable[[], int]) -> int:
    """The exit code of this work in a process of its own, what it says thrown away; a signal's number below 0."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence if "KILLING_SHOWS" not in os.environ else 2, 2)
            code = work()
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def counting(words: tuple[str, ...], stop: int, folder: Path, told: int) -> int:
    """Run a command that dies before its change number `stop`; how many there were is written to `told`."""
    seen = 0

    def look(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == "open":
            writes = isinstance(args[2], int) and args[2] & WRITING
            changes = writes and isinstance(args[0], str | os.PathLike) and inside(args[0])
        else:
            changes = event in CHANGES and isinstance(args[0], str | os.PathLike | int) and inside(args[0])
        if changes:
            if seen == stop:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    def inside(path: Any) -> bool:
        return isinstance(path, int) or Path.cwd().joinpath(path).is_relative_to(folder)

    sys.addaudithook(look)
    code = main(words)
    os.write(told, str(seen).encode())
    return code


def names(folder: Path) -> set[str]:
    """Every file but locks and TensorBoard's, whose names hold times."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in found if not name.endswith("/.lock") and "tensorboard" not in name}


def damaged(folder: Path) -> list[str]:
    """Files with a final name that are not whole."""
    wrong = []
    for name in sorted(names(folder)):
        file = folder / name
        if any(part.startswith(".") for part in Path(name).parts):
            continue
        try:
            if name in ("P", "new", "fixed", "folded") or file.suffix == ".pack":
                pack = Pack(file)
                pack.flat(range(len(pack)))
            elif file.suffix == ".json":
                json.loads(file.read_bytes())
            elif file.suffix == ".parquet":
                pq.read_table(file)
            elif file.suffix in (".npz", ".pt2"):
                with zipfile.ZipFile(file) as archive:
                    assert archive.testzip() is None
            elif file.suffix == ".pose":
                Pose.read(file.read_bytes())
            elif file.suffix == ".jsonl":
                rows = [json.loads(row) for row in file.read_text().splitlines()]
                assert rows or file.name == "metrics.jsonl", "a training's is there before its first epoch has ended"
            elif file.suffix == ".safetensors":
                load_file(file)
            elif file.name == "config.yaml":
                load_run(file.parent)
            elif file.suffix in (".html", ".svg"):
                assert file.read_text().rstrip().endswith(("</html>", "</svg>"))
        except Exception as error:
            wrong.append(f"{name}: {error!r}")
    return wrong


def kill_all(inputs: Path, folder: Path, name: str, every: int = 1) -> Count:
    """Kill a command before every `every`-th of its changes, run it again, and compare with an unbroken run.

    The first is in the middle of the first `every`: before its first change of all a command leaves nothing behind.
    """
    words, count = COMMANDS[name], Count()
    before = names(inputs)
    again = AGAIN.get(name, (0,))
    whole, changes = once(inputs, folder, words, 10**9)
    assert whole in again, (name, whole)
    count.changes = changes
    wanted = names(folder)
    for stop in range(min(every, changes) // 2, changes, every):
        code, _ = once(inputs, folder, words, stop)
        if code != -signal.SIGKILL:  # the changes of trainings vary by a few
            continue
        count.kills += 1
        place = f"{name} before change {stop}"
        count.lost += [f"{place}: {one}" for one in damaged(folder)]
        if name != "delete":
            gone = before - names(folder)
            count.lost += [f"{place}: {one} is gone" for one in gone if not one.startswith(("S/", "D/.", "."))]
        with at(folder):
            code = forked(lambda: main(words))
        if code not in again:
            count.blocked.append(f"{place}: exit code {code} afterwards")
        count.lost += [f"{place}, run again: {one}" for one in damaged(folder)]
        count.lost += [f"{place}, run again: no {one}" for one in sorted(wanted - names(folder))]
        count.left += [f"{place}: {one}" for one in sorted(names(folder) - wanted)]
    return count


def once(inputs: Path, folder: Path, words: tuple[str, ...], stop: int) -> tuple[int, int]:
    """Exit code and number of changes of one run on fresh inputs."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(inputs, folder)
    reading, told = os.pipe()
    with at(folder):
        code = forked(lambda: counting(words, stop, folder, told))
    os.close(told)
    with os.fdopen(reading, "rb") as stream:
        return code, int(stream.read() or 0)


def run() -> int:
    """Kill the commands that are asked for, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(COMMANDS), default=list(COMMANDS))
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()
    folder = given.folder.resolve()
    load_all(given.only)
    if not (folder / "inputs").is_dir():
        make_inputs(folder / "inputs")
    if "convert" in given.only:
        make_checkpoint(folder / "released.pth.tar")
    total, bad = 0, []
    for name in given.only:
        found = kill_all(folder / "inputs", folder / "work", name, given.every)
        total += found.kills
        bad += [*found.lost, *found.blocked, *found.left]
        summary = f"lost {len(found.lost)}, blocked {len(found.blocked)}, left {len(found.left)}"
        for one in (*found.lost, *found.blocked, *found.left):
            print(one, flush=True)
        print(f"{name:18} {found.changes:4} changes {found.kills:4} kills: {summary}", flush=True)
    print(f"{total} kills, {len(bad)} ended badly", flush=True)
    return int(bool(bad) or not total)


if __name__ == "__main__":
    sys.exit(run())
