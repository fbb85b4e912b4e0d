"""The commands of docs/own_language.md and docs/quickstart.md run as printed, on generated poses and tiny models.

What differs from a user's evening: poses are generated instead of estimated in videos (`extract` is left out), new
clips are pose files, and the shipped models are tiny, so that their recipe stands for `--config small`.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.trained_runs import Trained

from twinsign.cli.main import main
from twinsign.pose.layout import HANDS
from twinsign.pose.read import read, write_npz
from twinsign.runs import shipped
from twinsign.synthetic.corpus import SyntheticConfig, synthesise

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
QUICK = ("models", "predict", "enrol", "search")
CORPUS = SyntheticConfig(glosses=4, signers=6, clips_per_signer_gloss=2)


@pytest.fixture
def evening(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with poses of some signs by some people, and tiny models under the shipped ones' names."""
    facts = {"what": "a tiny model", "accuracy": [{"top1": 50.0, "on": "4 clips"}], "licence": "none"}
    for name, run in (("encoder", trained.pretrained), ("asl300", trained.finetuned), ("asl2000", trained.finetuned)):
        shutil.copytree(run, tmp_path / "shipped" / name)
        (tmp_path / "shipped" / name / shipped.CARD).write_text(json.dumps(facts))
    monkeypatch.setattr(shipped, "_HOME", tmp_path / "shipped")
    home = tmp_path / "evening"
    home.mkdir()
    monkeypatch.chdir(home)
    for number, (recording, row) in enumerate(synthesise(CORPUS)):
        write_npz(recording, Path("poses") / row["gloss"] / f"{row['signer']}-{number}.npz")
    return home


def commands(page: str, kind: str) -> list[tuple[str, str]]:
    """The blocks of a page, Python's and those of this kind, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [(found, block) for found, block in BLOCK.findall(text) if found in ("python", kind)]


def twinsign(line: str, words: dict[str, str]) -> int:
    """Run one line of a page, some words replaced; poses stand for videos."""
    program, *rest = shlex.split(line, comments=True)
    assert program == "twinsign", line
    return main([words.get(word, word.replace(".mp4", ".npz")) for word in rest])


@pytest.mark.slow
def test_one_evening(evening: Path, trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new").mkdir()
    recording, _ = next(iter(synthesise(CORPUS)))
    write_npz(recording, Path("new/tea.npz"))
    lines = []
    for kind, block in commands("own_language.md", "bash"):
        if kind == "python":
            exec(compile(block, "own_language.md", "exec"), {})
            continue
        for line in block.splitlines():
            lines.append(line.split()[1])
            if lines[-1] == "extract":
                continue
            code = twinsign(line, {"small": str(trained.recipe)})
            assert code == 0 or (code, lines[-1]) == (1, "doctor"), line
    assert lines == ["extract", "pack", "doctor", "enrol", "search", "pack", "finetune", "evaluate", "retrieve"]
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert "nearest recordings: " in said.out
    assert sorted(path.name for path in Path("my_signs").glob("*.json")) == ["dictionary.json"]
    report = json.loads(Path("test.json").read_text())
    assert report["signers"]["independent"] is True
    assert report["classes"] == 4
    assert json.loads(Path("dictionary.json").read_text())["clips"] == report["clips"]


def test_quickstart(evening: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [file for file in sorted(Path("poses").rglob("*.npz")) if read(file).seen[:, HANDS].any()]
    needed = ("hello", "unknown", "clip", *(f"{sign}{number}" for sign in ("tea", "milk") for number in (1, 2, 3)))
    for name, file in zip(needed, files, strict=False):
        shutil.copy(file, f"{name}.npz")
    Path("clips").mkdir()
    shutil.copy("hello.npz", "clips/hello.npz")
    ran = []
    for kind, block in commands("quickstart.md", ""):
        if kind == "python":
            names: dict[str, Any] = {}
            exec(compile(block.replace("clip.pose", "clip.npz"), "quickstart.md", "exec"), names)
            assert names["prediction"].guesses
            continue
        for line in block.splitlines():
            words = line.split()
            if words[:1] == ["twinsign"] and words[1] in QUICK and "demo" not in line:
                assert twinsign(line, {}) == 0, line
                ran.append(words[1])
    assert ran == ["models", "predict", "predict", "predict", "enrol", "enrol", "search"]
    assert "asl2000" in capsys.readouterr().out
    assert Path("dictionary/dictionary.json").is_file()
    shutil.copy("hello.npz", "hello1.npz")
    ((_, block),) = commands("dictionary.md", "none")
    exec(compile(block.replace(".pose", ".npz"), "dictionary.md", "exec"), names)
    assert names["found"].guesses[0].gloss == "hello"
    assert not len(names["lookup"].dictionary)
