"""No text from outside commands a terminal, whatever prints it; ASCII locales escape what they cannot show."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
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


ASCII = """
import json, sys
from twinsign.cli.main import main
for words in json.loads(sys.argv[1]):
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code
    sys.stdout.write(f"code {code}\\n")
    sys.stdout.flush()
"""


def test_ascii_locales(trained: Trained, tmp_path: Path) -> None:
    """In one process, whose streams are of the locale from its start; POSIX is another name of C."""
    pack_of(tmp_path / "P", sample("x", "Tür 手話", "test"), sample("y", "a–b", "test"))
    path = os.pathsep.join(filter(None, sys.path))
    env = {**os.environ, "PYTHONPATH": path, "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONUTF8": "0"}
    env.pop("PYTHONIOENCODING", None)
    model = ["--model", str(trained.linear)]
    asked: list[tuple[tuple[int, ...], bytes, list[str]]] = [
        ((0,), b"usage", ["evaluate", "--help"]),
        ((0,), b"8 clips of 4 classes", ["evaluate", *model, "--data", str(trained.pack)]),
        ((2,), rb"found gloss 'T\xfcr \u624b\u8a71'", ["evaluate", *model, "--data", str(tmp_path / "P")]),
        ((2,), b"surrogates not allowed", ["evaluate", *model, "--data", "P", "--report", "T\udcc3\udcbcr.html"]),
        ((2,), b"no such file", ["evaluate", *model, "--data", str(tmp_path / "T\udcc3\udcbcr")]),
        ((0, 1), b"clips", ["doctor", str(tmp_path / "P")]),
    ]
    commands = json.dumps([words for *_, words in asked])
    command = [sys.executable, "-c", ASCII, commands]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    parts = re.split(rb"^code (\d)\n", done.stdout, flags=re.MULTILINE)
    assert len(parts) == 2 * len(asked) + 1
    for (codes, told, words), shown, code in zip(asked, parts[::2], parts[1::2], strict=False):
        assert b"Traceback" not in shown, shown.decode()
        assert int(code) in codes, (words, shown.decode())
        assert told in shown, (words, shown.decode())
