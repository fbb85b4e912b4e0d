"""The tutorial is what happens: every block of docs/tutorial.md is run in order, in an empty folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from twinsign.cli.main import main

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run_bash(block: str) -> None:
    """Each line is one twinsign command, which must succeed; a glob must match something, as a shell would have it."""
    for line in block.replace("\\\n", " ").splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "twinsign", line
        listed = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in words]
        assert all(listed), line
        assert main([word for some in listed for word in some]) == 0, line


@pytest.mark.slow
def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert {kind for kind, _ in blocks} == {"python", "bash"}
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for kind, text in blocks:
        if kind == "bash":
            run_bash(text)
        else:
            exec(compile(text, str(PAGE), "exec"), names)
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert names["report"]["clips"] == 32
    assert names["report"]["per_instance"]["top1"] > 30  # chance is 12.5; four seeds gave 66 to 88
