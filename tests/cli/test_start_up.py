"""What commands load before they run: help, version and wrong words answer without the slow libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.trained_runs import Trained

from twinsign.cli.registry import COMMANDS
from twinsign.pack.open import Pack
from twinsign.pose.read import write_npz

SLOW = {"torch", "pytorch_lightning", "sklearn", "matplotlib", "openTSNE", "scipy"}
OTHER = {"pandas", "sympy", "torch._dynamo", "fastapi", "mediapipe"}
"""What an answer of `predict` does without, besides the slow libraries but torch."""
NAMES = [
    (name, *inner)
    for name, entry in COMMANDS.items()
    for inner in ([(sub,) for sub in entry] if isinstance(entry, dict) else [()])
]
HELP_OF_EACH = """
import contextlib, io, sys
from twinsign.cli.main import main
for words in {names}:
    before = set(sys.modules)
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as shown:
        main([*words, "--help"])
    print(*words, *(set(sys.modules) & {slow}), len(shown.getvalue()) > 100)
"""


def loaded(*words: str) -> tuple[set[str], str, str]:
    """Packages, and parts of torch, that a process has loaded after answering these words, and what it printed."""
    lines = ["import contextlib, sys", "from twinsign.cli.main import main"]
    lines += [f"with contextlib.suppress(SystemExit): main({list(words)})"]
    lines += ["names = {name if name.startswith('torch.') else name.split('.')[0] for name in sys.modules}"]
    lines += ["sys.stdout.write('\\nLOADED ' + ' '.join(names))"]
    code = "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown, _, packages = done.stdout.rpartition("LOADED ")
    return set(packages.split()), shown, done.stderr


@pytest.fixture(scope="module")
def answers() -> dict[str, list[str]]:
    """What one process, which answers `COMMAND --help` for every command in turn, has loaded after each."""
    code = HELP_OF_EACH.format(names=NAMES, slow=SLOW)
    env = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return dict(zip(map(" ".join, NAMES), map(str.split, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("words", [" ".join(words) for words in NAMES])
def test_help_loads_nothing_slow(answers: dict[str, list[str]], words: str) -> None:
    assert answers[words] == [*words.split(), "True"]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--help"], "usage: twinsign"),
        (["--version"], "twinsign "),
        (["pack", "--help"], "usage: twinsign"),
        (["finetune", "--help"], "usage: twinsign"),
    ],
    ids=" ".join,
)
def test_an_answer_loads_nothing_slow(words: list[str], shown: str) -> None:
    packages, out, _ = loaded(*words)
    assert out.startswith(shown)
    assert not SLOW & packages


@pytest.mark.parametrize("words", [["predct"], ["pack", "fodler"], ["predict", "a.pose", "--modle", "R"]], ids=" ".join)
def test_wrong_words_load_nothing_slow(words: list[str]) -> None:
    packages, _, err = loaded(*words)
    assert "did you mean" in err
    assert not SLOW & packages


@pytest.mark.parametrize("words", [["--version"], ["predct"]], ids=" ".join)
def test_without_a_command_no_pack_is_read(words: list[str]) -> None:
    packages, _, _ = loaded(*words)
    assert not {"pyarrow", "pose_format"} & packages


def test_predict_loads_only_what_it_uses(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    write_npz(Pack(trained.pack).recording(0), folder / "clip.npz")
    packages, out, _ = loaded("predict", str(folder / "clip.npz"), "--model", str(trained.finetuned))
    line = out.splitlines()[0]  # where it is no terminal, an answer is one line, however long its path
    assert line.startswith(f"{folder / 'clip.npz'}: ")
    assert line.endswith("%")
    assert "torch" in packages
    assert not (SLOW - {"torch"} | OTHER) & packages
