"""The static page in a real browser: answers as Python's, no network, a dictionary, a camera (needs Chromium)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.browsers import PATIENCE, until
from helpers.trained_runs import Trained, copy_essentials

from twinsign.cli.main import main
from twinsign.dictionary.lookup import Dictionary
from twinsign.inference.recogniser import Recogniser, explain
from twinsign.pack.open import Pack
from twinsign.pose.read import read, write_npz

pytestmark = pytest.mark.slow
CLOSE = 1e-4
PREDICT = """async () => {
  const backend = await import(new URL("page/backend.js", location.href).href);
  return backend.predictFile(document.getElementById("probe").files[0]);
}"""
PROBE = "() => document.body.append(Object.assign(document.createElement('input'), { type: 'file', id: 'probe' }))"
REAL = "TWINSIGN_DATA" in os.environ
DRAWN = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0)"


@pytest.fixture(scope="module")
def files(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Test clips as pose files."""
    pack, folder = Pack(trained.pack), tmp_path_factory.mktemp("files")
    rows = [int(row) for row in pack.select(["test"]) if pack.usable[row]][:4]
    found = [folder / f"clip{row}.npz" for row in rows]
    for row, file in zip(rows, found, strict=True):
        write_npz(pack.recording(row), file)
    return found


def test_every_file_is_listed_with_its_hash(site: Path) -> None:
    manifest = json.loads((site / "manifest.json").read_text())
    listed = {entry["file"]: entry for entry in manifest["files"]}
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert there - {"manifest.json", "service-worker.js"} == set(listed)
    for name, entry in listed.items():
        content = (site / name).read_bytes()
        assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
        assert entry["licence"]
    assert sum(entry["bytes"] for entry in manifest["files"]) < 60e6
    same = sum(entry["gzip"] for entry in manifest["files"] if not entry["file"].startswith("model/"))
    assert same < 17e6, "what every model's page loads"
    assert manifest["version"] in (site / "service-worker.js").read_text()


def test_answers_are_pythons(page: Any, files: list[Path], trained: Trained) -> None:
    recogniser = Recogniser.load(trained.finetuned)
    page.evaluate(PROBE)
    for file in files:
        page.set_input_files("#probe", str(file))
        answer = page.evaluate(PREDICT)
        (wanted,) = explain(recogniser, [read(file)])
        guesses = {guess["gloss"]: guess["confidence"] for guess in answer["guesses"]}
        assert guesses == pytest.approx({g.gloss: g.confidence for g in wanted.prediction.guesses}, abs=CLOSE)
        assert list(guesses) == [guess.gloss for guess in wanted.prediction.guesses]
        found = (answer["sure"], answer["unlike"], answer["note"])
        assert found == (wanted.prediction.sure, wanted.prediction.unlike, wanted.prediction.note)
        assert set(answer["votes"]) == set(wanted.votes)
        for name, best in wanted.votes.items():
            vote = {guess["gloss"]: guess["confidence"] for guess in answer["votes"][name]}
            assert vote == pytest.approx({guess.gloss: guess.confidence for guess in best}, abs=CLOSE)


def test_it_works_without_its_server(vanishing: tuple[Any, Callable[[], object]], files: list[Path]) -> None:
    page, stop_server = vanishing
    page.locator("#offline", has_text="also works without a network").wait_for(timeout=PATIENCE)
    stop_server()
    page.reload()
    page.set_input_files("#file", str(files[0]))
    page.locator("#guesses li").first.wait_for(timeout=PATIENCE)
    assert page.locator("#overlay").evaluate(DRAWN)


def test_signs_are_taught_taken_along_and_deleted(
    page: Any, files: list[Path], trained: Trained, tmp_path: Path
) -> None:
    for file in files[:3]:
        page.set_input_files("#file", str(file))
        page.locator("#explained", has_text="%").wait_for(timeout=PATIENCE)
        page.fill("#gloss", "mine" if file == files[0] else "other")
        page.click("#teach button")
        page.locator("#taught", has_text="Kept as").wait_for(timeout=PATIENCE)
    with page.expect_download() as download:
        page.click("#export")
    exported = tmp_path / "my.signs.json"
    download.value.save_as(exported)
    run = copy_essentials(trained.finetuned, tmp_path / "run")
    assert main(["enrol", "--model", str(run), "--data", str(exported)]) == 0
    lookup = Dictionary.load(run)
    assert sorted(entry.gloss for entry in lookup.dictionary.listed()) == ["mine", "other", "other"]
    page.evaluate(PROBE)
    page.set_input_files("#probe", str(files[3]))
    answer, wanted = page.evaluate(PREDICT), lookup.search(read(files[3]))
    confidences = [guess["confidence"] for guess in answer["enrolled"]["guesses"]]
    assert confidences == pytest.approx([guess.confidence for guess in wanted.guesses], abs=CLOSE)
    similarities = [match["similarity"] for match in answer["nearest"]]
    assert similarities == pytest.approx([match.similarity for match in wanted.nearest], abs=CLOSE)
    assert answer["enrolled"]["sure"] == wanted.sure
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#signs [data-gloss=mine]").click()
    page.locator("button", has_text="Delete").first.click()
    page.locator("#signs [data-gloss=mine]").wait_for(state="detached")
    page.set_input_files("#import", str(exported))
    page.locator("#dictionary-said", has_text="Imported 1 example; 2 known already").wait_for()
    page.reload()
    page.locator("#dictionary-about", has_text="3 examples").wait_for()


def test_a_sign_before_the_camera(page: Any, address: str) -> None:
    page.context.grant_permissions(["camera"], origin=address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#start").focus()
    page.keyboard.press("Enter")
    page.locator("#state", has_text="Watching").wait_for(timeout=PATIENCE)
    page.locator("#stop:focus").wait_for(timeout=PATIENCE)
    # A machine that is too slow for signs says so, and offers files instead.
    page.locator("#headline:not(:text('Nothing signed yet')), #slow-machine:visible").first.wait_for(timeout=PATIENCE)
    if REAL:
        until(page, f"({DRAWN})(document.querySelector('#overlay'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.evaluate("window.track = document.querySelector('#camera').srcObject.getTracks()[0]")
    page.evaluate("window.track.dispatchEvent(new Event('ended'))")
    page.locator("#problem", has_text="disconnected").wait_for()
    assert page.evaluate("window.track.readyState") == "ended", "the camera is free"
    unnamed = "[...document.querySelectorAll('input, button')].filter(e => !e.labels?.length && !e.textContent.trim())"
    assert page.evaluate(f"{unnamed}.length") == 0


def test_a_camera_that_is_refused(page: Any) -> None:
    page.click("#start")
    page.locator("#problem", has_text="No camera").wait_for(timeout=PATIENCE)
    page.locator("#start:focus").wait_for()


def test_what_is_no_clip_is_said(page: Any, tmp_path: Path) -> None:
    rubbish = tmp_path / "clip.npz"
    rubbish.write_bytes(b"no archive")
    empty = tmp_path / "empty.npz"
    np.savez(empty, xy=np.zeros((3, 49, 2), np.float32), score=np.zeros((3, 49), np.float32))
    film = tmp_path / "film.mp4"
    film.write_bytes(b"no film")
    for file, said in ((rubbish, "no .npz archive"), (empty, "no hand"), (film, "cannot decode")):
        page.set_input_files("#file", str(file))
        page.locator("#problem", has_text=said).wait_for(timeout=PATIENCE)
        assert page.locator("#headline").inner_text() == "No answer"
