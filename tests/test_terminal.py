"""No text from outside commands a terminal, whatever prints it; ASCII locales escape what they cannot show."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.tiny_configs import pack_of, sample
from helpers.trained_runs import Trained
from rich.table import Table

from twinsign.cli.main import main
from twinsign.terminal import Terminal, escape_controls, print_json

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202egnp\r"


def harmless(text: str) -> bool:
    return not [letter for letter in text if letter in EVIL.replace("gnp", "") and not letter.isprintable()]


def test_control_characters_are_spelled_out() -> None:
    assert escape_controls("a\tb\nc") == "a\tb\nc"
    assert escape_controls("\x1b[2J\x9b\u202e\r") == "\\x1b[2J\\x9b\\u202e\\r"
    assert escape_controls("Tür 手話 नमस्ते ک\u200cم \u200d") == "Tür 手話 नमस्ते ک\u200cم \u200d"
    assert escape_controls(os.fsdecode(b"\xff")) == "\\udcff"


def test_a_console_leaves_only_its_own_codes() -> None:
    for terminal in (False, True):
        shown = Terminal()
        shown.file, shown._force_terminal = io.StringIO(), terminal
        table = Table(title=EVIL)
        table.add_column(EVIL)
        table.add_row(f"[/b] :smile: {EVIL}")
        shown.print(table)
        shown.print(f"[/b] :smile: [red] {EVIL}")
        shown.print(EVIL, soft_wrap=True, highlight=False)
        shown.out(EVIL)
        text = shown.file.getvalue()
        assert "[/b] :smile: [red]" in text
        assert not {*"\x07\x9b\x7f\u202e\r"} & {*text}
        assert "\x1b]" not in text
        assert "\x1b[2J" not in text


def test_json_keeps_its_value(capfd: pytest.CaptureFixture[str]) -> None:
    value = {"a": EVIL + "ü"}
    print_json(value)
    line = capfd.readouterr().out
    assert harmless(line)
    assert json.loads(line) == value
    assert "ü" in line


def test_labels_and_ids_reach_no_terminal_as_they_are(
    trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clips = [sample(f"{gloss}{number}{EVIL}", f"{gloss}{EVIL}", "test") for gloss in "ab" for number in range(2)]
    pack_of(tmp_path / "P", *clips)
    for command in (
        ["doctor", str(tmp_path / "P")],
        ["evaluate", "--model", str(trained.linear), "--data", str(tmp_path / "P")],
        ["evaluate", "--model", str(trained.linear), "--data", str(tmp_path / "P"), "--split", EVIL],
        ["evaluate", "--model", str(tmp_path / EVIL), "--data", str(tmp_path / "P")],
        ["finetune", "--config", EVIL, "--init", "none", "--data", "x", "--out", "y"],
        ["predict", str(tmp_path / EVIL), "--model", str(trained.linear)],
        ["predict", str(tmp_path / EVIL), "--json", "--model", str(trained.linear)],
        ["view", str(tmp_path / "P"), "--clip", EVIL, "--out", str(tmp_path / "x.svg")],
        [EVIL],
    ):
        with contextlib.suppress(SystemExit):
            assert main(command) != 0 or command[0] == "doctor"
        shown = capfd.readouterr()
        assert shown.out + shown.err
        assert harmless(shown.out + shown.err), command


@pytest.mark.parametrize("variables", [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}])
def test_ascii_locales(trained: Trained, tmp_path: Path, variables: dict[str, str]) -> None:
    pack_of(tmp_path / "P", sample("x", "Tür 手話", "test"), sample("y", "a–b", "test"))
    path = os.pathsep.join(filter(None, sys.path))
    env = {**os.environ, "PYTHONPATH": path, "PYTHONCOERCECLOCALE": "0", **variables}
    env.pop("PYTHONIOENCODING", None)

    def run(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([sys.executable, "-m", "twinsign", *words], env=env, capture_output=True, check=False)

    model = ["--model", str(trained.linear)]
    for code, said, words in (
        (0, b"usage", ["evaluate", "--help"]),
        (0, b"8 clips of 4 classes", ["evaluate", *model, "--data", str(trained.pack)]),
        (2, rb"found gloss 'T\xfcr \u624b\u8a71'", ["evaluate", *model, "--data", str(tmp_path / "P")]),
        (2, b"surrogates not allowed", ["evaluate", *model, "--data", "P", "--report", "T\u00fcr.html"]),
        (2, b"no such file", ["evaluate", *model, "--data", str(tmp_path / "T\u00fcr")]),
        (0, b"clips", ["doctor", str(tmp_path / "P")]),
    ):
        done = run(*words)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.returncode == code or (words[0] == "doctor" and done.returncode == 1), done.stderr.decode()
        assert said in done.stdout + done.stderr
