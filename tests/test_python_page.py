"""docs/python.md is one script that runs, on small models and a small pack; so is each example of a docstring.

Every public name has such an example or, where its docstring has none, stands on the page.
"""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.fuzz_targets import pose
from helpers.trained_runs import Trained

import twinsign as ts
from twinsign.nn import networks
from twinsign.pack.open import Pack
from twinsign.pose.read import write_npz

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"
README = PAGE.parents[1] / "README.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)

NAMES = [*ts.__all__, *(f"{room}.{name}" for room in ("nn", "ssl") for name in getattr(ts, room).__all__)]
"""The public names: those of `twinsign`, of `twinsign.nn` and of `twinsign.ssl`."""


@pytest.fixture
def folder(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page's commands leave: a pack, a classifier, its pre-training and a clip."""
    (tmp_path / "packs").mkdir()
    shutil.copy(trained.pack, tmp_path / "packs" / "signs.pack")
    shutil.copytree(trained.finetuned, tmp_path / "demo" / "run")
    shutil.copytree(trained.pretrained, tmp_path / "demo" / "pretrained")
    shutil.copytree(trained.finetuned, tmp_path / "runs" / "wlasl300")
    shutil.copy(trained.pack, tmp_path / "packs" / "wlasl300")
    (tmp_path / "clip.pose").write_bytes(pose())
    pack = Pack(trained.pack)
    write_npz(pack.recording(int(pack.select(["test"])[0])), tmp_path / "clip.npz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(networks, "NETWORKS", dict(networks.NETWORKS))
    return tmp_path


def run(page: Path, names: dict[str, Any], only: str = "") -> None:
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if only in block:
            exec(compile(block, str(page), "exec"), names)


def test_the_page_runs_from_top_to_bottom(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    run(PAGE, names)
    shown = capsys.readouterr().out
    assert (folder / "clip.png").stat().st_size > 1000
    assert len(names["model"].labels) == 4
    assert "4 signs; (1, " in shown
    assert 0 < names["loss"].item() < 100
    assert names["evaluation"].report["split"] == ["test"]
    assert "top-1" in shown
    assert (folder / "runs" / "mean_pose" / "weights.safetensors").is_file()
    assert (folder / "my_signs").is_dir()


def test_the_ten_lines_train(folder: Path) -> None:
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    for block in BLOCK.findall(PAGE.read_text(encoding="utf-8"))[:3]:
        exec(compile(block, str(PAGE), "exec"), names)
    ssl, pack, ts = names["ssl"], names["pack"], names["ts"]
    assert ssl.cursor.item() > 0
    assert all(bank.valid.any() for bank in ssl.banks_of("joint").values())
    before = [value.detach().clone() for value in ssl.query.parameters()]
    keys = [value.detach().clone() for value in ssl.key.parameters()]
    losses = []
    for _ in range(6):
        for query, key in ts.TwoViewLoader(pack, batch_size=32, frames=16):
            out = ssl(query, key)
            out.loss.backward()
            losses.append(out.loss.item())
            assert sum(float(value.grad.abs().sum()) for value in ssl.query.parameters() if value.grad is not None) > 0
            names["optimiser"].step()
            names["optimiser"].zero_grad()
            ssl.update(out)
    assert min(losses) > 0
    assert any(not torch.equal(old, new) for old, new in zip(before, ssl.query.parameters(), strict=True))
    assert any(not torch.equal(old, new) for old, new in zip(keys, ssl.key.parameters(), strict=True))


def test_the_readme_runs_as_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    run(README, names)
    assert capsys.readouterr().out.strip() in {"not sure", names["answer"].guesses[0].gloss}
    assert len(names["model"].labels) == 300
    assert names["ssl"].cursor.item() > 0
    losses = []
    for query, key in [*names["ts"].TwoViewLoader(names["pack"], batch_size=64, frames=8)] * 2:
        out = names["ssl"](query, key)
        out.loss.backward()
        losses.append(out.loss.item())
    assert min(losses) > 0


def examples(name: str) -> list[doctest.Example]:
    """What the docstring of a public name shows."""
    value = ts
    for part in name.split("."):
        value = getattr(value, part)
    return doctest.DocTestParser().get_examples(inspect.getdoc(value) or "", name)


def test_every_public_name_has_an_example() -> None:
    page = "".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    without = [name for name in NAMES if not re.search(rf"\bts\.{re.escape(name)}\b", page) and not examples(name)]
    assert not without, f"no example in the docstring, none on {PAGE.name}: {', '.join(without)}"


@pytest.mark.parametrize("name", [name for name in NAMES if examples(name)])
def test_the_example_of_a_docstring_runs(name: str, folder: Path) -> None:
    shown = examples(name)
    assert any(re.search(rf"\bts\.{re.escape(name)}\b", example.source) for example in shown), "it uses the name"
    torch.manual_seed(0)
    test = doctest.DocTest(shown, {}, name, None, None, None)
    said: list[str] = []
    failed, tried = doctest.DocTestRunner(optionflags=doctest.REPORT_UDIFF).run(test, out=said.append)
    assert tried == len(shown)
    assert not failed, "".join(said)
