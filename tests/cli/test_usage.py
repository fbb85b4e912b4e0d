"""Words that a command does not know: three lines, of which one says what may have been meant."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields

import pytest

from twinsign.cli.main import build_parser, main
from twinsign.cli.usage import normalise_words
from twinsign.runs.recipe import Recipe

DATACLASSES = {"corpus", *(field.name for field in fields(Recipe))}


def said(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 3
    assert all(len(line) < 400 for line in lines), "the longest names all commands"
    return lines


@pytest.mark.parametrize(
    ("words", "first", "second"),
    [
        ("export --out a.onnx", "twinsign export: --model MODEL must be given", None),
        ("predict a.pose --modle R", "twinsign predict: no option --modle", "did you mean --model?"),
        ("predict a.pose --model R --tpo=3", "twinsign predict: no option --tpo", "did you mean --top?"),
        ("finetun --data P", "twinsign: no command 'finetun'", "did you mean finetune?"),
        ("zzz", "twinsign: no command 'zzz'", "wanted one of demo, pack"),
        ("pack fodler --poses P", "twinsign pack: no corpus 'fodler'", "did you mean folder?"),
        ("pack", "twinsign pack: which corpus?", "wanted one of landmarks"),
        ("doctor", "twinsign doctor: PACKS must be given", None),
        ("fuse", "twinsign fuse: SCORES must be given", None),
        ("predict a --model R --top few", "twinsign predict: --top few", "wanted a whole number"),
        ("predict a --model R --unit pixels", "twinsign predict: --unit pixels", "wanted fraction or pixel"),
        (
            "predict a --model R --size big",
            "twinsign predict: --size big",
            "wanted WIDTHxHEIGHT in pixels, such as 640",
        ),
        ("predict a --model R --fps fast", "twinsign predict: --fps fast", "wanted a number"),
        ("pretrain --data P --out R --pretrain.epoch 3", "twinsign pretrain: no option --pretrain.epoch", "did you"),
        ("fold P extra --out Q", "twinsign fold: unexpected arguments: extra", None),
    ],
)
def test_three_lines(capsys: pytest.CaptureFixture[str], words: str, first: str, second: str | None) -> None:
    lines = said(capsys, *words.split())
    assert lines[0] == first
    assert (lines[1].startswith(second) and len(lines) == 3) if second else len(lines) == 2
    assert lines[-1].endswith("--help shows the usage")


@pytest.mark.parametrize(
    "words",
    [
        ["--size", "640x480"],
        ["--size", "640", "480"],
        ["--size=640,480"],
        ["--size", "[640, 480]"],
        ["--size", "640:480"],
    ],
    ids=" ".join,
)
def test_sizes_as_people_write_them(words: list[str]) -> None:
    given = normalise_words(["predict", "a.json", "--model", "R", *words, "--top", "3"])
    options = build_parser(given).parse_args(given).predict
    assert (tuple(options.size), options.top, options.files) == ((640, 480), 3, ["a.json"])


def test_lists_and_other_words() -> None:
    assert normalise_words(["--shares", "0.8,0.1,0.1", "x"]) == ["--shares", "[0.8,0.1,0.1]", "x"]
    assert normalise_words(["--val", "3", "--out", "3,4"]) == ["--val", "[3]", "--out", "3,4"]
    for words in (["--size"], ["--size", "big"], ["size", "3x4"], ["--json=a,b", "640x480"]):
        assert normalise_words(words) == words


def test_a_misspelt_command_loads_nothing() -> None:
    lines = [
        "import sys",
        "from twinsign.cli.main import main",
        "try:",
        "    main(['predct'])",
        "except SystemExit: pass",
    ]
    lines.append("print(*sorted({name.split('.')[0] for name in sys.modules}))")
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert not {"torch", "pytorch_lightning", "pyarrow"} & set(done.stdout.split())


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> set[str]:
    """The options that a help text lists."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert stop.value.code == 0
    return set(re.findall(r"^ +(--[\w.]+)", capsys.readouterr().out, re.MULTILINE))


@pytest.mark.parametrize("command", ["pretrain", "finetune", "linear", "knn", "reproduce", "view", "bench"])
def test_help_of_trainings_is_short_and_help_all_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    short = shown(capsys, monkeypatch, command, "--help")
    assert {"--config", "--help_all", "--trainer.devices"} <= short
    assert len(short) <= 30
    assert "--objective.momentum" not in short
    if command in ("pretrain", "finetune", "linear"):
        assert f"--{command}.epochs" in short
    assert shown(capsys, monkeypatch, command, "--config", "small", "-h") == short
    full = shown(capsys, monkeypatch, command, "--help_all")
    assert short < full
    assert len(full) > 150


def test_every_option_has_a_help_text() -> None:
    missing = []
    parsers = [("", build_parser())]
    while parsers:
        name, parser = parsers.pop()
        for action in parser._actions:
            inner = getattr(action, "_name_parser_map", None) or {}
            parsers += [(f"{name} {command}", subparser) for command, subparser in inner.items()]
            missing += (
                [] if action.help or inner or action.dest.split(".")[0] in DATACLASSES else [f"{name} {action.dest}"]
            )
    assert not missing
