"""What hostile input is tried on: small valid files of everything that twinsign reads, how they are changed, how read.

Shared by the tests and by benchmarks/fuzz.py. A case is a target and a number: the same number makes the same files.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from helpers import mutate, mutate_binary, mutate_text, published_formats
from twinsign.datasets.folder import set_corpus
from twinsign.datasets.sample import Corpus, Sample
from twinsign.files import write_json
from twinsign.pack.clip import encode_clip
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.pose.read import open_set, read
from twinsign.pose.recording import Recording

ONES = published_formats.signers()[1:]
POINTS = published_formats.whole_body(ONES[0])[:2]
npz_members = mutate.archive(mutate.npy)


@dataclass(frozen=True)
class Target:
    """Valid files by name, the mutator of each that is changed, and what reads them in a folder."""

    files: Mapping[str, bytes]
    mutators: Mapping[str, mutate.Mutator]
    use: Callable[[Path], object]


Bombs = Callable[[str, mutate.Mutator], mutate.Mutator]
"""The mutator that takes another one's place for a file of that name; tests/helpers/bombs_binary.py has one."""


def write(target: Target, folder: Path, rng: Random | None, bombs: Bombs | None = None) -> None:
    """Put the target's files into a new folder, one of them changed, or (no rng) all as they are."""
    shutil.rmtree(folder, ignore_errors=True)
    changed = {} if rng is None else {rng.choice(list(target.mutators)): rng}
    for name, content in target.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if rng and name in changed:
            how = target.mutators[name]
            content = bombs(name, how)(content, rng) if bombs else _changed(how, content, rng)
        path.write_bytes(content)


def _changed(structured: mutate.Mutator, content: bytes, rng: Random) -> bytes:
    what = rng.random()
    how = mutate.anything if what < 0.05 else mutate.raw if what < 0.2 else structured
    try:
        return how(content, rng)
    except (RecursionError, UnicodeError):  # what the mutator itself cannot write
        return mutate.raw(content, rng)


def npz(**arrays: Any) -> bytes:
    """Arrays as an `.npz`."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def openpose(one: Recording) -> bytes:
    """One frame of OpenPose."""
    joints = published_formats.in_pixels(one).xy[0]
    hand = np.column_stack([joints[:21], np.ones(21)]).round(1).ravel().tolist()
    body = np.column_stack([joints[:25], np.ones(25)]).round(1).ravel().tolist()
    people = [{"pose_keypoints_2d": body, "hand_left_keypoints_2d": hand, "hand_right_keypoints_2d": hand}]
    return json.dumps({"people": people}).encode()


def mmpose() -> bytes:
    """Two frames of MMPose's JSON."""
    frames = [{"frame_id": t, "instances": [{"keypoints": frame.round(1).tolist()}]} for t, frame in enumerate(POINTS)]
    return json.dumps({"meta_info": {"image_size": published_formats.SIZE}, "instance_info": frames}).encode()


def pose(version: float = 0.2) -> bytes:
    """A `.pose` file of COCO-WholeBody's components, with a stranger between."""
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    hand = [f"hand_{number}" for number in range(21)]
    named = {"BODY": list(published_formats.BODY), "FACE": ["a", "b"], "LEFT_HAND": hand, "RIGHT_HAND": hand}
    parts = [PoseHeaderComponent(name, points, [(0, 1)], [(1, 2, 3)], "XYC") for name, points in named.items()]
    rng, shape = np.random.default_rng(0), (3, 1, sum(map(len, named.values())))
    data = rng.uniform(50, 400, (*shape, 2)).astype(np.float32)
    body = NumPyPoseBody(25, data, rng.uniform(0.1, 1, shape).astype(np.float32))
    stream = io.BytesIO()
    Pose(PoseHeader(version, PoseHeaderDimensions(640, 480, 0), parts), body).write(stream)
    return stream.getvalue()


def fewer(table: pa.Table) -> pa.Table:
    """Without the points that no reader takes, of which there are thousands."""
    names = [name for name in table.column_names if "_face_" not in name and not name.startswith("z_")]
    kept = table.select(names)
    return kept.filter(pc.not_equal(kept["type"], "face")) if "type" in names else kept


CLIPS: dict[str, tuple[bytes, mutate.Mutator]] = {
    "twinsign.npz": (npz(xy=ONES[0].xy, score=ONES[0].score, id="a", size=published_formats.SIZE, fps=25), npz_members),
    "wholebody.npz": (npz(keypoints=POINTS, fps=25, size=published_formats.SIZE), npz_members),
    "wholebody.npy": (published_formats.npy(POINTS), mutate.npy),
    "published.pkl": (pickle.dumps({"keypoints": POINTS, "img_list": ["1.jpg", "2.jpg"]}), mutate_text.pickled),
    "uni_sign.pkl": (
        published_formats.uni_sign(Recording("a", ONES[0].xy[:2], ONES[0].score[:2], size=published_formats.SIZE)),
        mutate_text.pickled,
    ),
    "holistic.npz": (
        npz(**{name: points[:1] for name, points in published_formats.holistic(ONES[0]).items() if name != "face"}),
        npz_members,
    ),
    "mmpose.json": (mmpose(), mutate_text.json_text),
    "openpose/a_0_keypoints.json": (openpose(ONES[0]), mutate_text.json_text),
    "isolated.parquet": (
        published_formats.parquet_bytes(fewer(published_formats.isolated(ONES[0]))),
        mutate_binary.parquet_file,
    ),
    "coco.pose": (pose(), mutate.raw),
}
SETS: dict[str, tuple[bytes, mutate.Mutator]] = {
    "nla_slr.pkl": (published_formats.nla_slr(ONES), mutate_text.pickled),
    "pyskl.pkl": (
        published_formats.pyskl([published_formats.annotation(one, 3) for one in ONES], {"train": ["signer1"]}),
        mutate_text.pickled,
    ),
    "train_data_joint.npy": (published_formats.npy(published_formats.sam_slr(ONES, 5)), mutate.npy),
    "sequences.parquet": (
        published_formats.parquet_bytes(fewer(published_formats.sequences(dict(enumerate(ONES))))),
        mutate_binary.parquet_file,
    ),
    "spoter.csv": (published_formats.spoter([published_formats.spoter_row(one, 3) for one in ONES]), mutate_text.table),
    "train_label.pkl": (pickle.dumps((["a", "b"], [0, 7])), mutate_text.pickled),
}


def landmarks() -> dict[str, bytes]:
    """A landmark set and its table."""
    lengths = [len(one.xy) for one in ONES]
    arrays = {
        "xy": np.concatenate([one.xy for one in ONES]).astype(np.float16),
        "seen": np.packbits(np.concatenate([one.seen for one in ONES]), axis=1),
        "offsets": np.cumsum([0, *lengths]),
    }
    return {"set.npz": npz(**arrays), "set.csv": b"id,gloss,split\na,hello,train\nb,bye,test\n"}


def packed(corpus: Corpus, folder: Path) -> None:
    """What was read can also be encoded, written with its report, and read back."""
    for sample in corpus.samples:
        encode_clip(sample)
    out = folder / "out.pack"
    report = write_pack(corpus, out, provenance={"notes": list(corpus.notes)})
    write_json(folder / "report.json", asdict(report))
    found = Pack(out)
    for row in range(len(found)):
        if not np.isfinite(found.recording(row).xy).all():
            raise AssertionError("a pack with coordinates that are not finite")


def use_clip(path: Path) -> None:
    """Read one clip and pack it."""
    one = read(path, size=published_formats.SIZE)
    if not np.isfinite(one.xy).all():
        raise AssertionError("coordinates that are not finite")
    packed(Corpus([Sample(one.id, lambda: one, {"gloss": "a", "split": "train"})]), path.parent)


def use_set(path: Path) -> None:
    """Read every clip of a set and pack them with their rows."""
    packed(set_corpus(open_set(path, size=published_formats.SIZE)), path.parent)


def _beside(name: str) -> str:
    return name.split("/")[0] if "/" in name else name


READERS: dict[str, Target] = {
    name: Target({name: content}, {name: how}, lambda folder, name=name: use_clip(folder / _beside(name)))
    for name, (content, how) in CLIPS.items()
}
READERS |= {
    name: Target({name: content}, {name: how}, lambda folder, name=name: use_set(folder / name))
    for name, (content, how) in SETS.items()
    if not name.startswith("train_")
}
READERS["sam_slr"] = Target(
    {name: SETS[name][0] for name in ("train_data_joint.npy", "train_label.pkl")},
    {name: SETS[name][1] for name in ("train_data_joint.npy", "train_label.pkl")},
    lambda folder: use_set(folder / "train_data_joint.npy"),
)
READERS["landmarks"] = Target(
    landmarks(), {"set.npz": npz_members, "set.csv": mutate_text.table}, lambda folder: use_set(folder / "set.npz")
)


def small_pack() -> bytes:
    """A pack of two clips, of which one has scores and a size."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rows = [{"gloss": "a", "split": "train", "signer": "s", "note": "x"}, {"gloss": "b", "split": "test"}]
        write_pack(
            [Sample(one.id, lambda one=one: one, row) for one, row in zip(ONES, rows, strict=True)], f"{folder}/P"
        )
        return Path(folder, "P").read_bytes()


def use_pack(folder: Path) -> None:
    """Open a pack and read all that it has."""
    found = Pack(folder / "P")
    rows = np.arange(len(found))
    names = [found.table.column(name).to_pylist() for name in found.table.column_names]
    recordings = [found.recording(row) for row in rows.tolist()]
    if not all(np.isfinite(one.xy).all() for one in recordings) or not names:
        raise AssertionError("coordinates that are not finite")
    found.pose_hashes(rows)
    found.split_hash(rows)
    found.select(["train"], ["gloss=a"])
    json.dumps([found.provenance, found.missing, found.datasets])


READERS["pack"] = Target({"P": small_pack()}, {"P": mutate_binary.pack}, use_pack)
