"""Small files that stand for much time or memory are refused before they are decoded; see tests/helpers/bombs.py."""

from __future__ import annotations

import json
import pickle
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers import bombs
from pyarrow import parquet

from twinsign.datasets.folder import folder_corpus
from twinsign.datasets.msasl import msasl
from twinsign.errors import InputError, TooLargeError
from twinsign.evaluation.score_files import read_scores
from twinsign.inference.embeddings import read_embeddings
from twinsign.pose.bounds import max_frames, max_unpacked_bytes
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.read import open_set, read
from twinsign.runs.convert import read_checkpoint
from twinsign.runs.plain_yaml import recipe_values
from twinsign.runs.training_clips import _read as read_learnt


def test_zeros_that_are_compressed(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", keypoints=np.zeros((40_000, 133, 3), np.float16))
    with pytest.raises(TooLargeError, match="bytes that unpack to 31,920"):
        read(tmp_path / "a.npz", size=(640, 480))
    with zipfile.ZipFile(tmp_path / "c.pth.tar", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(30_000_000))
    with pytest.raises(InputError, match="bytes that unpack to 30,000,000"):
        read_checkpoint(tmp_path / "c.pth.tar")
    content = (tmp_path / "c.pth.tar").read_bytes()
    (tmp_path / "c.pth.tar").write_bytes(content.replace(b"PK\x01\x02", b"PK\x09\x02"))
    with pytest.raises(InputError, match="no readable checkpoint"):
        read_checkpoint(tmp_path / "c.pth.tar")
    assert max_unpacked_bytes(0) < 30_000_000 < max_unpacked_bytes(10**6)


def test_zeros_within_the_bound_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", keypoints=np.zeros((9000, 133, 3), np.float32))
    assert len(read(tmp_path / "a.npz", size=(640, 480)).xy) == 9000


@pytest.mark.parametrize("shape", ["(300000000,)", "(1000000, 133, 3)"])
def test_an_array_larger_than_its_file(tmp_path: Path, shape: str) -> None:
    content = bombs._npy(shape, "'<f4'", bytes(100))
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("keypoints.npy", content)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(InputError, match=r"an array of shape .* bytes"):
            read(tmp_path / name, size=(640, 480))


def test_frames_without_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([[]] * 30_000))
    with pytest.raises(TooLargeError, match="30,000 frames"):
        read(tmp_path / "a.json", size=(640, 480))
    assert max_frames(0) < 30_000


def test_a_long_text_among_numbers(tmp_path: Path) -> None:
    clip = ClipFile(tmp_path / "a.json")
    for values in ([1.0, "a" * 10**6], [[1.0], ["a"]], [np.array(["a" * 1000]), 1.0]):
        with pytest.raises(InputError, match="with text in it"):
            clip.numbers(values, "keypoints")
    assert clip.numbers([[1, 2.5], (True, 4)], "keypoints").tolist() == [[1, 2.5], [1, 4]]


@pytest.mark.parametrize("kind", ["dictionary", "set", "frozenset", "called"])
def test_keys_of_one_hash(tmp_path: Path, kind: str) -> None:
    numbers = [bombs.COLLIDES * number for number in range(1, 3001)]
    listed = pickle.dumps(numbers, 2)[2:-1]
    content = {
        "dictionary": pickle.dumps(dict.fromkeys(numbers)),
        "set": pickle.dumps(set(numbers), 4),
        "frozenset": pickle.dumps(frozenset(numbers), 4),
        "called": b"\x80\x02c__builtin__\nset\n" + listed + b"\x85R.",
    }[kind]
    (tmp_path / "a.pkl").write_bytes(content)
    for call in (read, open_set):
        with pytest.raises(InputError, match="2000 keys that are not text"):
            call(tmp_path / "a.pkl")


def test_pickles_of_empty_lists(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04(" + b"]" * 150_000 + b"l.")
    with pytest.raises(InputError, match="next to nothing"):
        read(tmp_path / "a.pkl")
    value = {"keypoints": [[[1, 2] for _ in range(133)] for _ in range(900)]}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(InputError, match="scores"):
        read(tmp_path / "a.pkl", size=(640, 480))


@pytest.mark.parametrize(
    "text",
    [
        "a: [" + "0," * 60_000 + "]",
        "a: {" + "".join(f"{bombs.COLLIDES * number}: 0," for number in range(30_000)) + "}",
        "a: &a {" + "".join(f"k{number}: 0," for number in range(2000)) + "}\nb: [" + "{<<: *a}," * 2000 + "]",
        "a: &a {b: 0, c: 1}\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [*{chr(97 + n)}, *{chr(97 + n)}]}}\n" for n in range(24)),
        "a: &a {<<: *a}",
    ],
    ids=["long", "one hash", "merged", "merged again and again", "merged with itself"],
)
def test_yaml_that_takes_long(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    began = time.process_time()
    with pytest.raises(InputError, match="no YAML"):
        recipe_values(tmp_path / "a.yaml")
    assert time.process_time() - began < 2


def test_yaml_that_merges(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")
    assert recipe_values(tmp_path / "a.yaml")["b"] == {"x": 1, "y": 3}


def test_rows_that_take_no_bytes(tmp_path: Path) -> None:
    rows = 10**6
    table = pa.table({name: pa.repeat(pa.scalar(0.0), rows) for name in ("x", "y", "z", "frame", "type")})
    parquet.write_table(table, tmp_path / "a.parquet")
    for call in (read, open_set, read_embeddings, read_learnt):
        with pytest.raises(InputError, match="bytes that unpack to 40,000,000"):
            call(tmp_path / "a.parquet")


def test_words_and_columns(tmp_path: Path) -> None:
    (tmp_path / "MSASL_train.json").write_text("[]")
    (tmp_path / "MSASL_synonym.json").write_text(json.dumps([["a"] * 101]))
    with pytest.raises(InputError, match="a group of 101 words"):
        msasl([tmp_path])
    (tmp_path / "s.csv").write_text("id" + ",".join(f"c{number}" for number in range(6002)) + "\n")
    with pytest.raises(InputError, match="6,002 columns"):
        read_scores(tmp_path / "s.csv")
    (tmp_path / "poses").mkdir()
    (tmp_path / "t.csv").write_text(f"file,gloss\n{'é' * 300},a\n")
    with pytest.raises(InputError, match="a file's name"):
        folder_corpus(tmp_path / "poses", tmp_path / "t.csv")
