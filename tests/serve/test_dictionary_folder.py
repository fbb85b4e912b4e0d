"""The dictionary's folder in trouble: held, full, gone, damaged; and how much it takes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from helpers.server_process import launched, served
from helpers.trained_runs import Trained

from twinsign.files import locked
from twinsign.pack.open import Pack

Kept = tuple[httpx.Client, Path, dict[str, Any]]


@pytest.fixture(scope="module")
def kept(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A server whose dictionary takes three recordings, its folder, and a clip."""
    folder, one = tmp_path_factory.mktemp("keeping") / "kept-signs", Pack(trained.pack).recording(3)
    clip = {"xy": one.xy[:40].tolist(), "seen": one.score[:40].tolist(), "fps": 25}
    with served(trained.finetuned, "--dictionary", str(folder), "--limits.enrolled", "3") as client:
        yield client, folder, clip


def enrolled(client: httpx.Client, clip: dict[str, Any], number: int) -> httpx.Response:
    """The answer to a clip with other coordinates, as a sign of that number."""
    xy = [[[x + 0.001 * number, y] for x, y in frame] for frame in clip["xy"]]
    return client.post("/dictionary", json={"gloss": f"sign {number}", "clip": clip | {"xy": xy}})


def refused(answer: httpx.Response, folder: Path) -> int:
    """The status of a refusal as JSON that tells nothing of the folder, its holder and its machine."""
    told = answer.json()["error"]
    assert told["found"]
    assert told["wanted"]
    for secret in (str(folder), folder.name, f"process {os.getpid()}", socket.gethostname(), "Errno"):
        assert secret not in answer.text
    return answer.status_code


def test_a_held_dictionary_is_a_matter_of_time(kept: Kept) -> None:
    client, folder, clip = kept
    assert enrolled(client, clip, 0).status_code == 200
    with locked(folder):
        for answer in (enrolled(client, clip, 1), client.delete("/dictionary", params={"name": "sign 0"})):
            assert refused(answer, folder) == 409
            assert int(answer.headers["retry-after"]) > 0
        assert client.post("/predict", json=clip).status_code == 200
    assert enrolled(client, clip, 1).status_code == 200


def test_a_dictionary_takes_so_many(kept: Kept) -> None:
    client, folder, clip = kept
    for number in range(3):
        enrolled(client, clip, number).raise_for_status()
    assert refused(enrolled(client, clip, 3), folder) == 507
    client.delete("/dictionary", params={"name": "sign 1"}).raise_for_status()
    enrolled(client, clip, 3).raise_for_status()


def test_signs_that_are_not_there_cost_little(kept: Kept) -> None:
    client, folder, _ = kept
    begun = time.monotonic()
    for number in range(20):
        name = "x" * 5000 + str(number)
        assert refused(client.get("/dictionary/poses", params={"id": name}), folder) == 404
        assert refused(client.delete("/dictionary", params={"name": name}), folder) == 404
    assert time.monotonic() - begun < 5


def _not_a_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"")


def _damaged(folder: Path) -> None:
    (folder / "dictionary.json").write_text("{")


def _no_pack(folder: Path) -> None:
    about = json.loads((folder / "dictionary.json").read_text())
    for pack in folder.glob("*.pack"):
        pack.unlink()
        pack.write_bytes(b"ARROW1")
    (folder / "dictionary.json").write_text(json.dumps(about | {"edition": about["edition"] + 1}))


@pytest.mark.parametrize("harm", [_not_a_folder, _damaged, _no_pack])
def test_a_folder_that_has_gone_wrong_is_told(kept: Kept, harm: Callable[[Path], None]) -> None:
    client, folder, clip = kept
    whole = folder.with_name("whole")
    shutil.copytree(folder, whole)
    harm(folder)
    try:
        statuses = [
            refused(answer, folder) if answer.status_code != 200 else 200
            for answer in (
                client.delete("/dictionary", params={"name": "sign 0"}),
                client.get("/dictionary"),
                enrolled(client, clip, 0),
            )
        ]
        assert set(statuses) <= {200, 404, 503, 507}, statuses
        assert 503 in statuses
        assert client.get("/health").status_code == 200
    finally:
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        whole.rename(folder)
    assert client.get("/dictionary").status_code == 200


def test_a_full_disk_is_told(trained: Trained, kept: Kept, tmp_path: Path) -> None:
    folder, clip = tmp_path / "kept-signs", kept[2]
    with launched(trained.finetuned, "--dictionary", str(folder), file_bytes=4000) as (client, _process):
        answer = enrolled(client, clip, 0)
        assert refused(answer, folder) == 507
        assert "no room" in answer.json()["error"]["found"]
        assert client.post("/predict", json=clip).status_code == 200
