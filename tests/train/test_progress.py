"""The line that a training shows on a real terminal of 80 columns, and those that it writes elsewhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.trained_runs import Trained

CODE = """
import sys
from twinsign.cli.main import main
from twinsign.train import progress
progress.REFRESH = 0
progress.LOG_EVERY = {every}
sys.exit(main(sys.argv[1:]))
"""


def words(trained: Trained, out: Path) -> list[str]:
    given = ["pretrain", "--config", str(trained.recipe), "--data", str(trained.pack), "--out", str(out)]
    return [*given, "--trainer.progress", "true", "--pretrain.epochs", "3"]


def on_a_terminal(arguments: list[str], columns: int) -> str:
    """Everything that a process writes to a terminal of that width."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "24", "TERM": "xterm"}
    command = [sys.executable, "-c", CODE.format(every=0), *arguments]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # Linux says so at the end
                break
            if not part:
                break
            shown += part
        assert process.wait() == 0, shown.decode()
    os.close(leader)
    return shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_line_of_80_columns_says_where_the_training_is(trained: Trained, tmp_path: Path) -> None:
    shown = on_a_terminal(words(trained, tmp_path / "run"), 80)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if "epoch" in line]
    assert lines
    assert max(map(len, lines)) <= 80
    pattern = r"epoch [123] of 3 \S* *(\d+)/(\d+) loss [\d.]+ +[\d.e+]+ clips/s +[-\d:]+ left"
    places = [match.groups() for line in lines if (match := re.fullmatch(pattern, line))]
    assert len(places) >= 3, lines
    assert {total for _, total in places} == {places[-1][1]}
    assert [int(step) for step, _ in places] == sorted(int(step) for step, _ in places)
    assert "v_num" not in text
    assert "Epoch" not in text


def in_a_log(arguments: list[str], every: float) -> list[str]:
    """The lines of progress that a process writes to stderr where that is no terminal."""
    command = [sys.executable, "-c", CODE.format(every=every), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "clips/s" not in done.stdout
    return [line for line in done.stderr.splitlines() if "clips/s" in line]


def test_without_a_terminal_there_is_a_plain_line_from_time_to_time(trained: Trained, tmp_path: Path) -> None:
    lines = in_a_log(words(trained, tmp_path / "run"), 0)
    pattern = r"epoch [123] of 3  step (\d+) of (\d+)  loss [\d.]+  [\d.e+]+ clips/s  \d+:\d\d:\d\d left"
    found = [match.groups() for line in lines if (match := re.fullmatch(pattern, line))]
    assert len(found) == len(lines) > 3, lines
    assert max(map(len, lines)) <= 80
    assert [int(step) for step, _ in found] == list(range(1, int(found[0][1]) + 1))


def test_a_short_training_writes_no_line_and_a_quiet_one_none_at_all(trained: Trained, tmp_path: Path) -> None:
    assert in_a_log(words(trained, tmp_path / "run"), 60) == []
    assert in_a_log([*words(trained, tmp_path / "quiet"), "--trainer.progress", "false"], 0) == []
