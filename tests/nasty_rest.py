"""Hostile annotations, recipes, runs, checkpoints, scores, dictionaries: more targets like those of tests/nasty.py."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mutate
import mutate_binary
import numpy as np
import tiny
import torch
import yaml
from nasty import ONES, Target, npz, npz_members, packed
from recordings import recording

from twinsign.convert import read_checkpoint
from twinsign.corpora.asl_citizen import asl_citizen
from twinsign.corpora.autsl import autsl
from twinsign.corpora.folder import folder_corpus
from twinsign.corpora.include import include
from twinsign.corpora.lsa64 import lsa64
from twinsign.corpora.matching import Annotation, Source, corpus_of
from twinsign.corpora.msasl import msasl
from twinsign.corpora.nmfs_csl import nmfs_csl
from twinsign.corpora.semlex import semlex
from twinsign.corpora.slr500 import slr500
from twinsign.corpora.wlasl import wlasl
from twinsign.doctor.listed import read_listed
from twinsign.hub.bundle import checked as whole_run
from twinsign.pose.read import write_npz
from twinsign.recipe import load_recipe, recipe_from
from twinsign.recognise.classify import Classifier
from twinsign.recognise.dictionary import Dictionary
from twinsign.recognise.embeddings import read_embeddings, write_embeddings
from twinsign.recognise.entries import Sign
from twinsign.recognise.evaluate import load_classifier
from twinsign.recognise.lookup import Lookup
from twinsign.recognise.predict import Recogniser
from twinsign.recognise.scores import read_scores
from twinsign.reproduce.plan import load_experiment
from twinsign.run import Run, read_metrics, save_run
from twinsign.ssl.pretrain import Pretrainer

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


def bytes_of(make: Callable[[Path], object]) -> dict[str, bytes]:
    """The files that `make` writes into a folder, by name; of a RUN those that it needs."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        found = sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.name != ".lock")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def _clip(path: Path) -> None:
    write_npz(recording(np.random.default_rng(0), "any", 9), path)


POSE = bytes_of(lambda folder: _clip(folder / "a.npz"))["a.npz"]


def _text(content: Any) -> bytes:
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def corpus_target(read: Reads, clip: str, files: dict[str, Any]) -> Target:
    """Annotation files, one of them changed, and a folder with one pose file."""
    mutators = {f"notes/{name}": mutate.json_text if name.endswith("json") else mutate.table for name in files}

    def use(folder: Path) -> None:
        found = read([folder / "notes"])
        corpus = corpus_of(found, Source(folder / "poses"))
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
    packed(corpus_of(read([folder / "notes"]), Source(folder / "poses", str(folder / "names.csv"))), folder)


def classifier(folder: Path) -> None:
    """A finished, untrained classifier of the smallest size."""
    recipe = recipe_from(yaml.safe_load(tiny.RECIPE))
    about = {"protocol": "finetune", "config": "tiny", "seed": 0, "calibration": {"temperature": 1.5, "threshold": 0.4}}
    run = Run(folder, "classifier", recipe, ["a", "b"], about)
    save_run(run, Classifier(recipe.encoder, recipe.finetune.head, 2))


def pretrained(folder: Path) -> Run:
    """A finished, untrained pre-training of the smallest size."""
    recipe = recipe_from(yaml.safe_load(tiny.RECIPE))
    run = Run(folder, "pretrained", recipe, about={"protocol": "pretrain", "config": "tiny", "seed": 0})
    save_run(run, Pretrainer(recipe.encoder, recipe.objective).query_weights())
    return run


RUN_MUTATORS: dict[str, mutate.Mutator] = {
    "config.yaml": mutate.yaml_text,
    "labels.json": mutate.json_text,
    "weights.safetensors": mutate_binary.safetensors,
}


def use_run(folder: Path) -> None:
    """A classifier from elsewhere: pulled, looked at and asked."""
    run = whole_run(folder)
    found = Recogniser(run, load_classifier(run)).predict(ONES[0])
    json.dumps([asdict(one) for one in found.guesses], ensure_ascii=False).encode()


def dictionary(folder: Path) -> None:
    """A RUN with a dictionary of two signs."""
    run = pretrained(folder)
    lookup = Lookup.load(run.path)
    lookup.enrol([Sign(one, gloss) for one, gloss in zip(ONES, "ab", strict=True)])


def use_dictionary(folder: Path) -> None:
    """Open, search, list, add to and delete from a dictionary."""
    lookup = Lookup.load(folder)
    found = lookup.search(ONES[0])
    listed = lookup.dictionary.listed()
    json.dumps([[asdict(one) for one in found.nearest], [asdict(one) for one in listed]], ensure_ascii=False).encode()
    lookup.enrol([Sign(recording(np.random.default_rng(1), "new", 5), "c")])
    lookup.delete([listed[0].id])
    Dictionary.open(folder / "dictionary")


def embedded(folder: Path) -> None:
    """Embeddings of a pack of two clips."""
    run = pretrained(folder / "run")
    pack = tiny.pack_of(folder / "P", tiny.sample("one", "a"), tiny.sample("two", "b"))
    write_embeddings(folder / "f.parquet", run, pack, np.arange(2))


def checkpoint(zipped: bool) -> bytes:
    """A checkpoint as torch.save writes it today, and as it did before."""
    table = {"module.encoder_q.proj.fc.weight": torch.zeros(2, 3), "module.queue": torch.arange(4)}
    stream = io.BytesIO()
    torch.save({"epoch": 3, "state_dict": table}, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def scores() -> bytes:
    """A score file of ours."""
    return npz(
        ids=["07069", "x y"],
        glosses=["BOOK", "go"],
        labels=[1, 0],
        scores=np.eye(2),
        splits=["val"],
        split_hash="a" * 16,
    )


EXPERIMENT = Path(__file__).parents[1] / "src" / "twinsign" / "experiments" / "table6.yaml"
TARGETS: dict[str, Target] = {f"notes.{name}": corpus_target(*about) for name, about in CORPORA.items()}
TARGETS |= {
    "notes.folder": Target(
        {"table.csv": TABLE.encode(), "poses/hello/a.npz": POSE}, {"table.csv": mutate.table}, use_folder
    ),
    "notes.names": Target(
        {"names.csv": b"id,file\n1-APPLE,a.npz\n", "poses/a.npz": POSE}, {"names.csv": mutate.table}, use_names
    ),
    "recipe": Target(
        {"tiny.yaml": tiny.RECIPE.encode()},
        {"tiny.yaml": mutate.yaml_text},
        lambda folder: load_recipe(str(folder / "tiny.yaml")),
    ),
    "experiment": Target(
        {"plan.yaml": EXPERIMENT.read_bytes()},
        {"plan.yaml": mutate.yaml_text},
        lambda folder: load_experiment(str(folder / "plan.yaml")),
    ),
    "run": Target(bytes_of(classifier), RUN_MUTATORS, use_run),
    "metrics": Target(
        {"metrics.jsonl": b'{"epoch": 0, "loss": 1.5}\n{"epoch": 1, "loss": 1.25}\n'},
        {"metrics.jsonl": mutate.json_lines},
        read_metrics,
    ),
    "checkpoint": Target(
        {"c.pth.tar": checkpoint(True)},
        {"c.pth.tar": mutate.archive(mutate.raw)},
        lambda folder: read_checkpoint(folder / "c.pth.tar"),
    ),
    "old_checkpoint": Target(
        {"c.pth.tar": checkpoint(False)},
        {"c.pth.tar": mutate.raw},
        lambda folder: read_checkpoint(folder / "c.pth.tar"),
    ),
    "scores.npz": Target({"s.npz": scores()}, {"s.npz": npz_members}, lambda folder: read_scores(folder / "s.npz")),
    "scores.csv": Target(
        {"s.csv": b'id,gloss,BOOK,"$5, $6"\n07069,BOOK,1.5,2\nx,BOOK,-1,3e2\n'},
        {"s.csv": mutate.table},
        lambda folder: read_scores(folder / "s.csv"),
    ),
    "listed": Target(
        {"list.json": json.dumps({"missing": [{"id": "a", "gloss": "b", "split": "val"}]}).encode()},
        {"list.json": mutate.json_text},
        lambda folder: read_listed(folder / "list.json"),
    ),
}
ENROLLED = bytes_of(dictionary)
TARGETS["dictionary"] = Target(
    ENROLLED,
    {"dictionary/dictionary.json": mutate.json_text, "dictionary/000001.pack": mutate_binary.pack},
    use_dictionary,
)
EMBEDDED = {name: content for name, content in bytes_of(embedded).items() if name == "f.parquet"}
TARGETS["embeddings"] = Target(
    EMBEDDED, {"f.parquet": mutate_binary.parquet_file}, lambda folder: read_embeddings(folder / "f.parquet")
)
