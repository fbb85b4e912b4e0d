"""The HTTP interface of a real server: the contract, refusals that say why, and nothing stored but what is enrolled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from helpers.server_process import served
from helpers.trained_runs import Trained
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect

from twinsign.cli.main import main
from twinsign.inference.recogniser import Recogniser
from twinsign.pack.open import Pack
from twinsign.pose.read import write_npz
from twinsign.pose.recording import Recording

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def recording_of(clip: dict[str, Any]) -> Recording:
    return Recording("clip", np.asarray(clip["xy"], np.float32), np.asarray(clip["seen"], np.float32), fps=clip["fps"])


def test_predict_is_the_recognisers_answer(server: httpx.Client, clip: dict[str, Any], trained: Trained) -> None:
    answer = server.post("/predict", json=clip)
    assert answer.status_code == 200
    found, wanted = answer.json(), Recogniser.load(trained.finetuned).predict(recording_of(clip), 5)
    assert found["sure"] == wanted.sure
    assert [one["gloss"] for one in found["guesses"]] == [one.gloss for one in wanted.guesses]
    assert [one["confidence"] for one in found["guesses"]] == pytest.approx(
        [one.confidence for one in wanted.guesses], abs=1e-3
    )
    assert len(server.post("/predict", json=clip | {"top": 2}).json()["guesses"]) == 2


def test_a_clip_without_scores_or_rate_is_taken(server: httpx.Client, clip: dict[str, Any]) -> None:
    assert server.post("/predict", json={"xy": clip["xy"]}).status_code == 200
    unseen = [
        [joint if on else [None, None] for joint, on in zip(*frame, strict=True)]
        for frame in zip(clip["xy"], clip["seen"], strict=True)
    ]
    found = server.post("/predict", json={"xy": unseen}).json()
    assert (
        found["guesses"]
        == server.post(
            "/predict", json={"xy": clip["xy"], "seen": [[float(one > 0) for one in row] for row in clip["seen"]]}
        ).json()["guesses"]
    )


def test_a_batch_answers_each_clip_and_names_the_bad_one(server: httpx.Client, clip: dict[str, Any]) -> None:
    found = server.post("/predict/batch", json={"clips": [clip, {"xy": []}, clip]}).json()["answers"]
    assert found[0]["guesses"] == found[2]["guesses"]
    assert "guesses" not in found[1]
    assert server.post("/predict/batch", json={"clips": [clip] * 4}).status_code == 413


def test_a_pose_file(server: httpx.Client, trained: Trained, tmp_path: Path) -> None:
    pack, file = Pack(trained.pack), tmp_path / "clip.npz"
    recording = pack.recording(int(pack.select(["test"])[0]))
    write_npz(recording, file)
    answer = server.post("/predict/file", params={"name": file.name}, content=file.read_bytes())
    assert answer.status_code == 200
    wanted = Recogniser.load(trained.finetuned).predict(recording, 1)
    assert answer.json()["guesses"][0]["gloss"] == wanted.guesses[0].gloss
    damaged = server.post("/predict/file", params={"name": file.name}, content=file.read_bytes()[:100])
    assert damaged.status_code == 422
    for name in ("../../etc/passwd.npz", "clip.exe"):
        assert 400 <= server.post("/predict/file", params={"name": name}, content=b"x").status_code < 500


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"xy": [[[0.5, 0.5]] * 48]}, 422, "49"),
        ({"xy": [[["a", 0.5]] * 49]}, 422, ""),
        ({"xy": []}, 422, ""),
        ({"xy": [[[0.5, 0.5]] * 49] * 81, "seen": None}, 413, "80"),
        ({"seen": [[1.0] * 49]}, 422, ""),
        ({"fps": -1}, 422, ""),
        ({"top": 0}, 422, ""),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_wrong_bodies_are_refused_with_what_was_found(
    server: httpx.Client, clip: dict[str, Any], change: dict[str, Any], status: int, words: str
) -> None:
    answer = server.post("/predict", json={name: value for name, value in (clip | change).items() if value is not None})
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert {"found", "wanted"} <= set(answer.json()["error"]) or "found" in answer.text


def test_bodies_that_are_no_json(server: httpx.Client, clip: dict[str, Any]) -> None:
    headers = {"content-type": "application/json"}
    assert server.post("/predict", content=b"{", headers=headers).status_code == 400
    text = json.dumps(clip).replace(json.dumps(clip["xy"][0][0][0]), "NaN", 1)
    assert 400 <= server.post("/predict", content=text.encode(), headers=headers).status_code < 500
    assert 400 <= server.post("/predict", content=b"[" * 100_000, headers=headers).status_code < 500
    assert server.post("/predict", content=b" " * 2_000_000, headers=headers).status_code == 413
    assert server.get("/nowhere").status_code == 404


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON, path=st.sampled_from(["/predict", "/predict/batch", "/dictionary"]))
def test_no_body_makes_it_fail(server: httpx.Client, body: Any, path: str) -> None:
    answer = server.post(path, content=json.dumps(body).encode(), headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text
    assert server.get("/health").json() == {"status": "ok"}


def test_signs_are_enrolled_listed_found_and_deleted(server: httpx.Client, clip: dict[str, Any]) -> None:
    assert server.get("/dictionary").json() == {"signs": []}
    kept = server.post("/dictionary", json={"gloss": "mine", "clip": clip})
    assert kept.status_code == 200
    signs = server.get("/dictionary").json()["signs"]
    assert [one["gloss"] for one in signs] == ["mine"]
    poses = server.get("/dictionary/poses", params={"id": signs[0]["id"]})
    assert poses.status_code == 200
    near = server.post("/predict", json=clip | {"detailed": True}).json()
    assert "mine" in json.dumps(near)
    assert server.delete("/dictionary", params={"name": "mine"}).json()["deleted"] == [signs[0]["id"]]
    assert server.get("/dictionary").json() == {"signs": []}
    assert server.delete("/dictionary", params={"name": "mine"}).status_code in (404, 422)


def test_counters_and_description(server: httpx.Client) -> None:
    assert "twinsign" in server.get("/metrics").text
    paths = server.get("/openapi.json").json()["paths"]
    assert {"/predict", "/predict/batch", "/predict/file", "/dictionary", "/health"} <= set(paths)


def test_a_token_and_a_rate(trained: Trained, clip: dict[str, Any], tmp_path: Path) -> None:
    options = ["--token", "secret", "--limits.per_minute", "12", "--dictionary", str(tmp_path / "signs")]
    with served(trained.finetuned, *options) as client:
        assert client.post("/predict", json=clip).status_code == 401
        assert client.post("/predict", json=clip, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.post("/predict", json=clip, headers={"Authorization": "Bearer secret"}).status_code == 200
        answers = [client.get("/model", headers={"Authorization": "Bearer secret"}) for _ in range(15)]
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) > 0
    assert not (tmp_path / "signs").exists()


def test_a_port_in_use_is_said_before_anything_else(
    server: httpx.Client, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["serve", "--model", str(trained.finetuned), "--port", str(server.base_url.port)]
    assert main(words) == 2
    shown = capsys.readouterr()
    assert "--port" in shown.err
    assert "Ctrl-C" not in shown.out


def test_another_sites_page_may_not_ask(server: httpx.Client, clip: dict[str, Any]) -> None:
    assert server.post("/predict", json=clip, headers={"Origin": "https://elsewhere.example"}).status_code == 403
    assert server.get("/model", headers={"Host": "elsewhere.example"}).status_code in (400, 403, 421)
    with pytest.raises(Exception, match=r"403|rejected"):
        connect(str(server.base_url).replace("http", "ws") + "/live", origin="https://elsewhere.example")  # type: ignore[arg-type]
