from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import random_pose

from twinsign.cli.main import main
from twinsign.datasets.elan import read_elan
from twinsign.datasets.elan_clips import ElanConfig, elan_corpus, read_clip
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pose.layout import HANDS
from twinsign.pose.read import write_npz
from twinsign.pose.recording import Recording

FPS = 25.0


def eaf(file: Path, tiers: str, slots: Sequence[int | None], header: str = "") -> Path:
    """An ELAN file, as little as programs write: no schema, no linguistic types."""
    times = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="ts{number}"' + ("" if time is None else f' TIME_VALUE="{time}"') + "/>"
        for number, time in enumerate(slots)
    )
    file.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT><HEADER>{header}</HEADER>'
        f"<TIME_ORDER>{times}</TIME_ORDER>{tiers}</ANNOTATION_DOCUMENT>",
        encoding="utf-8",
    )
    return file


def aligned(id: str, first: int, stop: int, value: str | None) -> str:
    text = "" if value is None else f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>"
    ends = f'TIME_SLOT_REF1="ts{first}" TIME_SLOT_REF2="ts{stop}"'
    return f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{id}" {ends}>{text}</ALIGNABLE_ANNOTATION></ANNOTATION>'


def referring(id: str, owner: str, value: str) -> str:
    text = f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>"
    head = f'<REF_ANNOTATION ANNOTATION_ID="{id}" ANNOTATION_REF="{owner}">'
    return f"<ANNOTATION>{head}{text}</REF_ANNOTATION></ANNOTATION>"


def tier(name: str, *annotations: str, who: str = "") -> str:
    return f'<TIER TIER_ID="{name}" PARTICIPANT="{who}">{"".join(annotations)}</TIER>'


def poses(file: Path, frames: int = 250, fps: float | None = FPS) -> Recording:
    xy, score = random_pose(np.random.default_rng(0), frames, scored=False)
    score[:, HANDS] = 1
    recording = Recording(file.stem, np.clip(xy, 0.1, 0.9), score, fps=fps)
    write_npz(recording, file)
    return recording


def test_every_unusable_annotation_is_listed(tmp_path: Path) -> None:
    slots = [0, 1000, 1000, 2000, None, 3000, 2500, 4000, 3500, 5000, 6000, 10**400]
    tiers = tier(
        "Gloss",
        aligned("a1", 0, 1, " HAUS1A^* "),
        aligned("a2", 1, 2, "zero"),
        aligned("a3", 3, 4, "no time"),
        aligned("a4", 6, 7, "over"),
        aligned("a5", 8, 9, "lap"),
        aligned("a6", 9, 10, None),
        aligned("a7", 3, 3, "zero, too"),
        aligned("a8", 99, 3, "no slot"),
        aligned("a9", 3, 1, "backwards"),
        aligned("a10", 3, 11, "for ever"),
        who="Ada",
    )
    tiers += tier(
        "Other", referring("r1", "a1", "HOUSE(FB)"), referring("r2", "zz", "lost"), referring("r3", "r3", "own")
    )
    file = eaf(tmp_path / "x.eaf", tiers + tier("Empty"), slots)
    found = read_elan(file, ["Gloss"])
    assert [(mark.id, mark.begin, mark.end, mark.value, mark.participant) for mark in found.marks] == [
        ("a1", 0, 1000, "HAUS1A^*", "Ada")
    ]
    for id, reason in {
        "a2": "zero length",
        "a3": "without a value",
        "a4": "overlaps",
        "a5": "overlaps",
        "a6": "no value",
        "a7": "zero length",
        "a8": "without a value",
        "a9": "no stretch",
        "a10": "without a value",
    }.items():
        assert [problem for problem in found.problems if f"annotation {id} " in problem and reason in problem], id
    assert len(found.problems) == 9
    others = read_elan(file, ["O*"])
    assert [(mark.begin, mark.end, mark.value) for mark in others.marks] == [(0, 1000, "HOUSE(FB)")]
    assert len(others.problems) == 2
    assert read_elan(file, ["Empty"]).problems == [f"{file}: tier 'Empty' is empty"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no XML"),
        ("<a>", "no XML"),
        ("<html></html>", "XML of 'html'"),
        ('<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="PAL-frames"/></ANNOTATION_DOCUMENT>', "PAL-frames"),
        ('<!DOCTYPE a [<!ENTITY b "x">' + '<!ENTITY c "&b;&b;">' * 2 + "]><a>&d;</a>", "no XML"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "x.eaf"
    file.write_text(content)
    with pytest.raises(InputError, match=reason):
        read_elan(file, ["Gloss"])
    with pytest.raises(InputError, match="no such file"):
        read_elan(tmp_path / "none.eaf", ["Gloss"])


def test_clips_are_the_annotated_frames(tmp_path: Path) -> None:
    recording = poses(tmp_path / "talk.npz")
    slots = [400, 1000, 1040, 2000, 9000, 30000]
    tiers = tier(
        "Gloss-A", aligned("a1", 0, 1, "Haus"), aligned("a2", 2, 3, "Baum"), aligned("a3", 4, 5, "late"), who="Ada"
    )
    file = eaf(tmp_path / "x.eaf", tiers, slots, '<MEDIA_DESCRIPTOR MEDIA_URL="file:///c:/v/talk.mp4"/>')
    table = tmp_path / "t.csv"
    table.write_text("value,gloss\nHaus,HOUSE\n", encoding="utf-8")
    corpus = elan_corpus([file], tmp_path, ElanConfig(["Gloss*"], table))
    assert [(sample.row["gloss"], sample.row["signer"]) for sample in corpus.samples] == [
        ("HOUSE", "Ada"),
        ("Baum", "Ada"),
        ("late", "Ada"),
    ]
    np.testing.assert_array_equal(corpus.samples[0].read().xy, recording.xy[10:25])
    np.testing.assert_array_equal(corpus.samples[1].read().xy, recording.xy[26:50])
    with pytest.raises(InputError, match="9 to 30 s of a recording of 10 s"):
        corpus.samples[2].read()


def test_pose_files_without_a_rate_need_one(tmp_path: Path) -> None:
    poses(tmp_path / "talk.npz", fps=None)
    with pytest.raises(InputError, match="--fps"):
        read_clip(tmp_path / "talk.npz", "a", 0.0, 1.0, ElanConfig(["x"]))
    assert len(read_clip(tmp_path / "talk.npz", "a", 0.0, 1.0, ElanConfig(["x"], fps=50.0)).xy) == 50


def test_the_command_packs_labelled_and_unlabelled_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        poses(tmp_path / "poses" / f"{name}.npz")
        tiers = tier(
            "Gloss", *(aligned(f"a{n}", 2 * n, 2 * n + 1, word) for n, word in enumerate(("HAUS", "BAUM"))), who=name
        )
        eaf(tmp_path / f"{name}.eaf", tiers, [0, 1000, 4000, 5000])
    eaf(tmp_path / "c.eaf", tier("Gloss", aligned("a1", 0, 1, "HAUS")), [0, 900])
    out = tmp_path / "P"
    options = ["--poses", str(tmp_path / "poses"), "--tier", "Gloss", "--out", str(out), "--unlabelled", "50"]
    splits = ["--split_by", "signer", "--shares", "[0.5,0.5,0]"]
    assert main(["pack", "elan", "--annotations", str(tmp_path), *options, *splits]) == 0
    pack = Pack(out)
    glosses = pack.column("gloss")
    assert sorted(filter(None, glosses)) == ["BAUM", "BAUM", "HAUS", "HAUS"]
    # Free: 1 to 4 s and 5 to 10 s, so 1 and 2 windows of 50 frames a recording.
    assert glosses.count(None) == 6
    assert set(pack.frames[[gloss is None for gloss in glosses]].tolist()) == {50}
    groups = {*zip(pack.column("signer"), pack.column("split"), strict=True)}
    assert {who for who, _ in groups} == {"a", "b"}
    assert {split for _, split in groups} == {"train", "val"}
    assert len(groups) == 2
    assert "c.eaf: no pose file" in " ".join(capsys.readouterr().err.split())
    assert main(["pack", "elan", "--annotations", str(tmp_path), *options[:3], "Glosses", *options[4:]]) == 2
    assert "one of the tiers Gloss" in " ".join(capsys.readouterr().err.split())
