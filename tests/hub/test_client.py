from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.hub_server import TOKEN, Hub
from huggingface_hub import constants

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.hub.bundle import shared_files
from twinsign.hub.client import pull, push
from twinsign.inference.recogniser import Recogniser
from twinsign.pack.open import Pack
from twinsign.runs.run import load_run

# huggingface_hub's upload of large files calls its HTTP client in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def run(trained, tmp_path: Path) -> Path:
    """A fine-tuned RUN of one's own, with all that a training leaves there."""
    return Path(shutil.copytree(trained.finetuned, tmp_path / "run"))


def bytes_of(folder: Path, names: list[str]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def answers(folder: Path, pack: Path) -> list:
    packed = Pack(pack)
    recordings = [packed.recording(row) for row in range(5)]
    found = Recogniser.load(folder).predict_many(recordings)
    return [[(guess.gloss, guess.confidence) for guess in one.guesses] for one in found]


def test_a_pushed_run_comes_back_byte_for_byte_and_predicts_the_same(
    server: Hub, trained, run: Path, tmp_path: Path, capfd
) -> None:
    assert main(["push", str(run), "--repo", "ann/signs", "--private"]) == 0
    assert "config.yaml and the reports name paths of this machine" in capfd.readouterr().err
    repository = server.repositories["ann/signs"]
    assert repository.private
    sent = repository.commits[-1][1]
    names = shared_files(run)
    assert {"README.md", "config.yaml", "labels.json", "weights.safetensors", "report.html", "val.json"} <= set(names)
    assert [name for name in names if name.startswith("evaluations/test-")]
    assert set(sent) == {*names, ".gitattributes"}  # no checkpoint, no lock, no TensorBoard
    assert any((run / "checkpoints").iterdir())
    assert ("PUT", "/lfs/" + sha256(run.joinpath("weights.safetensors").read_bytes())) in server.asked
    out = tmp_path / "pulled"
    assert main(["pull", "ann/signs", "--out", str(out)]) == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == names
    assert bytes_of(out, names) == bytes_of(run, names)
    assert load_run(out).digest() == load_run(run).digest()
    assert answers(out, trained.pack) == answers(run, trained.pack)
    assert "left there" in capfd.readouterr().err  # .gitattributes


def test_a_pretrained_run_is_shared_too(server: Hub, trained, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.pretrained, tmp_path / "pre"))
    assert main(["push", str(run), "--repo", "ann/encoder"]) == 0
    assert not server.repositories["ann/encoder"].private
    assert pull("ann/encoder", tmp_path / "there").left == [".gitattributes"]
    assert trained.classify("linear", tmp_path / "probe", init=tmp_path / "there") == 0


def test_a_second_push_replaces_the_first_and_old_revisions_stay(server: Hub, run: Path, tmp_path: Path) -> None:
    push(run, "ann/signs")
    first = server.repositories["ann/signs"].commits[-1]
    (run / "evaluations").joinpath("val+test-0123456789abcdef.json").write_text("{}")
    for file in (run / "evaluations").glob("test-*.json"):
        file.unlink()
    push(run, "ann/signs")
    now = server.repositories["ann/signs"].commits[-1][1]
    assert sorted(name for name in now if "evaluations" in name) == ["evaluations/val+test-0123456789abcdef.json"]
    pulled = pull("ann/signs", tmp_path / "old", revision=first[0])
    assert pulled.commit == first[0]
    assert [name for name in pulled.files if name.startswith("evaluations/test-")]
    with pytest.raises(InputError, match="no revision 'v9' of ann/signs"):
        pull("ann/signs", tmp_path / "none", revision="v9")


def test_pushing_needs_a_token_a_finished_run_and_the_asked_privacy(
    server: Hub, run: Path, trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    push(run, "ann/open")
    commits = len(server.repositories["ann/open"].commits)
    with pytest.raises(InputError, match="a public repository ann/open"):
        push(run, "ann/open", private=True)
    with pytest.raises(InputError, match="repository 'a/b/c'; wanted OWNER/NAME"):
        push(run, "a/b/c")
    monkeypatch.setenv("HF_TOKEN", "hf_reads_only")
    with pytest.raises(InputError, match=r"status 403 .* a token that may do this to ann/new.*HF_TOKEN"):
        push(run, "ann/new")
    with pytest.raises(InputError, match=r"status 403 .* a token that may do this to ann/open"):
        push(run, "ann/open")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
    with pytest.raises(InputError, match="no token for the Hub; wanted one that may write"):
        push(run, "ann/open")
    (run / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="no weights"):
        push(run, "ann/open")
    assert len(server.repositories["ann/open"].commits) == commits
    assert list(server.repositories) == ["ann/open"]


def test_what_cannot_be_pulled_leaves_no_folder(
    server: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    push(run, "ann/signs", private=True)
    files = server.repositories["ann/signs"].commits[-1][1]
    out = tmp_path / "out"

    def refused(message: str, changes: dict[str, bytes | None] | None = None) -> None:
        kept = {name: data for name, data in {**files, **(changes or {})}.items() if data is not None}
        server.large |= {sha256(data): data for data in kept.values()}
        server.repositories["ann/signs"].commit(kept)
        with pytest.raises(InputError, match=message):
            pull("ann/signs", out)
        assert not out.exists()
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

    refused("no weights.safetensors; wanted a repository that `twinsign push` wrote", {"weights.safetensors": None})
    refused("damaged weights", {"weights.safetensors": b"not tensors"})
    refused("ann/signs labels.json|no labels.json", {"labels.json": None})
    refused(
        r"ann/signs weights.safetensors: found fc\.joint\.weight of shape",
        {"labels.json": b'["one", "two", "three", "four", "five"]'},
    )
    config = files["config.yaml"].decode()
    refused(
        "ann/signs config.yaml: found kind 'other'", {"config.yaml": config.replace("classifier", "other").encode()}
    )
    refused("key encoder.shell", {"config.yaml": config.replace("encoder:", "encoder:\n    shell: rm").encode()})
    refused("calibration", {"config.yaml": config.replace("calibration:\n    temp", "calibration:\n    warm").encode()})
    refused("no YAML", {"config.yaml": b"recipe: !!python/object/apply:os.system [echo]"})
    server.damage = {sha256(files["weights.safetensors"]): b"x" * len(files["weights.safetensors"])}
    refused("bytes of hash .* as listed")
    server.damage = {"labels.json": files["labels.json"].replace(b'"', b"'")}
    refused("bytes of hash .* as listed")
    server.damage = {}
    server.broken = "/resolve/"
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    refused("failed|status 500")
    server.broken = None
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    refused(r"no repository ann/signs; wanted one that exists.*HF_TOKEN")
    with pytest.raises(InputError, match="no repository ann/nothing"):
        pull("ann/nothing", out)
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(InputError, match="something there already"):
        pull("ann/signs", out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_files_that_are_none_of_a_run_and_pages_with_scripts_stay_there(server: Hub, run: Path, tmp_path: Path) -> None:
    push(run, "ann/signs")
    files = server.repositories["ann/signs"].commits[-1][1]
    strange = ("checkpoints/last.ckpt", "evaluations/../../escape.json", "model.py", "evaluations/x.json", ".lock")
    page = files["report.html"].replace(b"default-src 'none'", b"default-src *")
    server.repositories["ann/signs"].commit({**files, **dict.fromkeys(strange, b"\x80\x04."), "report.html": page})
    server.large |= {sha256(page): page}
    found = pull("ann/signs", tmp_path / "a" / "out")
    assert set(found.left) == {*strange, "report.html", ".gitattributes"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "run"]
    assert not (tmp_path / "a" / "out" / "report.html").exists()
    assert not (tmp_path / "a" / "out" / ".cache").exists()
    paths = [path for _, path in server.asked if "resolve" in path]
    assert not [path for path in paths if path.endswith((".ckpt", ".py", "escape.json", ".lock"))]


def test_no_way_to_the_hub_is_said(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["pull", "ann/signs", "--out", str(tmp_path / "out")]) == 2
    assert main(["push", str(run), "--repo", "ann/signs"]) == 2
    said = capfd.readouterr().err
    assert said.count("no way to the Hub") == 2
    assert said.count("HF_HUB_OFFLINE") == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_environment_names_the_hub(server: Hub, run: Path, tmp_path: Path) -> None:
    env = {**os.environ, "HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home")}
    for words in (["push", str(run), "--repo", "ann/signs"], ["pull", "ann/signs", "--out", str(tmp_path / "out")]):
        command = [sys.executable, "-m", "twinsign", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert bytes_of(tmp_path / "out", shared_files(run)) == bytes_of(run, shared_files(run))
    assert np.all([json.loads((tmp_path / "out" / "val.json").read_text())["clips"]])
