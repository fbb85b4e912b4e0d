"""Hostile annotations of every dataset, and of a user's own folders: further targets for fuzz_targets.py."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers import mutate_text
from helpers.fuzz_targets import Target, packed
from helpers.recordings import recording
from twinsign.datasets.asl_citizen import asl_citizen
from twinsign.datasets.autsl import autsl
from twinsign.datasets.folder import folder_corpus
from twinsign.datasets.include import include
from twinsign.datasets.lsa64 import lsa64
from twinsign.datasets.matching import Annotation, Source, match_corpus
from twinsign.datasets.msasl import msasl
from twinsign.datasets.nmfs_csl import nmfs_csl
from twinsign.datasets.semlex import semlex
from twinsign.datasets.slr500 import slr500
from twinsign.datasets.wlasl import wlasl
from twinsign.pose.read import write_npz

ROW = {"start": 0, "end": 10, "start_time": 0.0, "end_time": 0.4, "fps": 25.0, "width": 640.0, "height": 360.0}
ROW |= {"clean_text": "hello", "text": "hello", "label": 0, "signer_id": 11, "box": [0, 0.1, 1, 0.9]}
ROW |= {"url": "www.youtube.com/watch?v=ri3NrdgfAtE"}
INSTANCE = {"bbox": [385, 37, 885, 720], "fps": 25, "frame_end": -1, "frame_start": 1, "signer_id": 118}
INSTANCE |= {"source": "aslbrick", "split": "train", "url": "http://x/book.mp4", "variation_id": 0, "video_id": "00001"}
Reads = Callable[[Sequence[Path]], Annotation]
WORDS = "".join(f"word{number}\n" for number in range(1067))
# The corpus's reader, a pose file's name, and annotation files by name.
CORPORA: dict[str, tuple[Reads, str, dict[str, Any]]] = {
    "wlasl_numbers": (
        wlasl,
        "00001",
        {"nslt_2.json": {"00001": {"subset": "train", "action": [0, 1, 9]}}, "class_list.txt": "0\tbook\n1\tgo\n"},
    ),
    "wlasl": (wlasl, "00001", {"WLASL_v0.3.json": [{"gloss": "book", "instances": [INSTANCE]}]}),
    "msasl": (
        msasl,
        "ri3NrdgfAtE_0_10",
        {"MSASL_train.json": [ROW], "MSASL_classes.json": ["hello", "go"], "MSASL_synonym.json": [["hello", "hi"]]},
    ),
    "slr500": (slr500, "P01_01_00_0", {"split.train.csv": "video_path,class_name\n000/P01_01_00_0._color.mp4,a\n"}),
    "nmfs_csl": (
        nmfs_csl,
        "000/a_1",
        {"trainlist01.txt": "000/a_1.avi 0\n", "gloss.txt": WORDS, "confusing.txt": "1\n"},
    ),
    "autsl": (
        autsl,
        "signer0_sample1_color",
        {"train_labels.csv": "signer0_sample1,0\n", "SignList_ClassId_TR_EN.csv": "ClassId,TR,EN\n0,sen,you\n"},
    ),
    "include": (
        include,
        "Animals/4. Bird/MVI_1",
        {
            "train_include.csv": "Category,Word,Video,FilePath\nAnimals,4. Bird,MVI_1.MOV,Animals/4. Bird/MVI_1.MOV\n",
            "include_val.txt": "Animals/4. Bird/MVI_2.MOV\n",
        },
    ),
    "lsa64": (lsa64, "001_002_003", {"lsa64_signs.md": "01|Opaque|R|\n02|Red|B|\n"}),
    "semlex": (
        semlex,
        "AjcE",
        {"semlex_metadata.csv": ",video_id,signer_id,duration,split,label_type,label\n0,AjcE,s1,1.5,train,asllex,x\n"},
    ),
    "asl_citizen": (
        asl_citizen,
        "1-APPLE",
        {"train.csv": "Participant ID,Video file,Gloss,ASL-LEX Code\nP1,1-APPLE.mp4,APPLE,A_01\n"},
    ),
}
TABLE = "file,gloss,split,signer,fps,width,height\nhello/a.npz,hello,train,s1,25,640,480\n"


def _pose() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_npz(recording(np.random.default_rng(0), "any", 9), Path(folder, "a.npz"))
        return Path(folder, "a.npz").read_bytes()


POSE = _pose()


def _text(content: Any) -> bytes:
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def corpus_target(read: Reads, clip: str, files: dict[str, Any]) -> Target:
    """Annotation files, one of them changed, and a folder with one pose file."""
    mutators = {
        f"notes/{name}": mutate_text.json_text if name.endswith("json") else mutate_text.table for name in files
    }

    def use(folder: Path) -> None:
        found = read([folder / "notes"])
        corpus = match_corpus(found, Source(folder / "poses"))
        json.dumps([list(corpus.missing), list(corpus.notes)]).encode()
        packed(corpus, folder)

    return Target(
        {f"notes/{name}": _text(one) for name, one in files.items()} | {f"poses/{clip}.npz": POSE}, mutators, use
    )


def use_folder(folder: Path) -> None:
    """One's own poses with a CSV."""
    packed(folder_corpus(folder / "poses", folder / "table.csv"), folder)


def use_names(folder: Path) -> None:
    """A CSV that says which file is which clip."""
    read, _, files = CORPORA["asl_citizen"]
    (folder / "notes").mkdir()
    (folder / "notes" / "train.csv").write_text(files["train.csv"])
    packed(match_corpus(read([folder / "notes"]), Source(folder / "poses", str(folder / "names.csv"))), folder)


TARGETS: dict[str, Target] = {f"notes.{name}": corpus_target(*about) for name, about in CORPORA.items()}
TARGETS |= {
    "notes.folder": Target(
        {"table.csv": TABLE.encode(), "poses/hello/a.npz": POSE}, {"table.csv": mutate_text.table}, use_folder
    ),
    "notes.names": Target(
        {"names.csv": b"id,file\n1-APPLE,a.npz\n", "poses/a.npz": POSE}, {"names.csv": mutate_text.table}, use_names
    ),
}
