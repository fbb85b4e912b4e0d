"""The demo as a newcomer runs it: whole, on its default corpus (slow)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from helpers.tiny_configs import pack_of, sample

from twinsign.cli.commands.demo import _write_examples
from twinsign.cli.main import main


@pytest.mark.slow
def test_pre_training_wins_on_the_default_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--progress", "false"]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["seconds"] > 0
    for protocol in ("finetune", "linear"):
        scratch, pretrained = summary["scratch"][protocol], summary["pretrained"][protocol]
        for report in (scratch, pretrained):
            assert report["clips"] >= 500
            assert report["seeds"] == 1
            assert set(report["per_instance"]) == set(report["per_class"]) == {"top1", "top2", "top5"}
        paired = summary["paired"][protocol]
        assert paired["difference"]["per_instance"]["top1"] > 0
        assert paired["mcnemar"]["p"] < 0.05, protocol
    low = summary["pretrained"]["linear"]["interval95"]["per_instance.top1"][0]
    high = summary["scratch"]["linear"]["interval95"]["per_instance.top1"][1]
    assert low > high, "the 95 % intervals of the linear protocol overlap"
    shown = capsys.readouterr().out
    assert re.search(r"About \d+ seconds on this machine", shown)
    assert shown.index("linear:") < shown.index("Pre-training"), "a first result before the long part"
    assert f"twinsign predict {out}/*.npz" in " ".join(shown.split())
    page = (out / "report.html").read_text()
    assert "With and without pre-training" in page
    assert "http" not in page.split("</style>")[-1].replace("http-equiv", "")
    clips = sorted(map(str, out.glob("*.npz")))
    assert main(["predict", *clips, "--model", str(out / "run"), "--json"]) == 0
    guesses = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [guess["file"] for guess in guesses] == clips
    right = [guess["guesses"][0]["gloss"] in guess["file"] for guess in guesses]
    assert len(right) == 5
    assert any(right)
    data = ["--data", str(out / "corpus.pack")]
    assert main(["evaluate", "--model", str(out / "run"), *data, "--split", "test"]) == 0
    assert main(["knn", "--model", str(out / "pretrained"), *data]) == 0


@pytest.mark.parametrize(("glosses", "wanted"), [("abcdefghij", 5), ("abc", 3)])
def test_the_examples_are_of_different_signs(tmp_path: Path, glosses: str, wanted: int) -> None:
    clips = [sample(f"{gloss}{number}", gloss, "test") for gloss in glosses for number in range(6)]
    pack = pack_of(tmp_path / "p", *clips, sample("a-bare", "a", "test", hand=False))
    _write_examples(pack, tmp_path)
    names = [file.stem for file in tmp_path.glob("*.npz")]
    assert len(names) == len({name[0] for name in names}) == wanted
    assert "a-bare" not in names
