"""The cleaned pack: what leaves it and why, what stays byte for byte, and that val and test are never touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers.moving_clips import exam_of
from helpers.recordings import packed, recording
from helpers.tiny_configs import sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from twinsign.doctor.duplicates import group_identical
from twinsign.doctor.exam import examine
from twinsign.doctor.fix import select_dropped, write_fixed
from twinsign.errors import InputError
from twinsign.pack import write
from twinsign.pack.open import Pack

FAST = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows_of(path: Path) -> dict[str, dict[str, Any]]:
    table = ipc.open_file(pa.memory_map(str(path))).read_all()
    return {row["id"]: row for row in table.to_pylist()}


def test_what_goes_and_why(tmp_path: Path) -> None:
    samples = [
        sample("1", "a", "train", look=1), sample("2", "a", "test", look=1), sample("3", "a", "none", look=1),
        sample("4", "a", "val", look=2), sample("5", "a", "test", look=2),
        sample("6", "a", "train", look=3), sample("7", "b", "train", look=3),
        sample("8", "", "none", look=4), sample("9", "b", "train", look=4), sample("10", "b", "train", look=4),
        sample("11", "b", "train", hand=False), sample("12", "b", "test", hand=False), sample("13", "b", "train"),
    ]  # fmt: skip
    exam = exam_of(tmp_path / "p", samples)
    dropped = select_dropped(exam)
    assert {exam.name[one.place]: one.why for one in dropped} == {
        "1": "identical to 2 of test",
        "3": "identical to 2 of test",
        "6": "identical clips with glosses a, b",
        "7": "identical clips with glosses a, b",
        "8": "identical to 9",
        "10": "identical to 9",
        "11": "no hand",
    }
    write_fixed(exam, dropped, tmp_path / "q")
    fixed = Pack(tmp_path / "q")
    assert fixed.column("id") == ["2", "4", "5", "9", "12", "13"]
    note = fixed.provenance[0]["fixed"]
    assert (note["of"], note["dropped"]["11"]) == (str(tmp_path / "p"), "no hand")
    for split in ("val", "test"):
        assert fixed.split_hash(fixed.select([split])) == exam.pack.split_hash(exam.pack.select([split]))


ROWS = st.tuples(st.integers(0, 3), st.sampled_from(["train", "val", "test", "none"]), st.sampled_from(["", "a", "b"]))


@FAST
@given(rows=st.lists(ROWS, min_size=1, max_size=10))
def test_after_it_no_training_clip_is_a_copy(tmp_path: Path, rows: list[tuple[int, str, str]]) -> None:
    samples = [sample(str(i), gloss, split, look=look) for i, (look, split, gloss) in enumerate(rows)]
    exam = exam_of(tmp_path / "p", samples)
    gone = {one.place for one in select_dropped(exam)}
    left = exam.only(exam.rows[[place for place in range(len(exam)) if place not in gone]])
    assert not any(exam.held[place] for place in gone)
    assert all(left.held[place] for group in group_identical(left) for place in group)
    unique = {look for look, _, _ in rows}
    kept = {rows[place][0] for place in range(len(rows)) if place not in gone}
    for look in unique - kept:
        assert {gloss for one, _, gloss in rows if one == look} >= {"a", "b"}, "lost only where glosses differ"


def test_the_rest_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "BATCH_CLIPS", 3)
    rng = np.random.default_rng(0)
    clips = [recording(rng, f"clip{n}", 1 + n % 4, scored=n % 2 == 0, size=(64, 48), fps=25.0) for n in range(10)]
    rows = [{"gloss": f"g{n % 2}", "split": "train", "note": "ü" * n} for n in range(10)]
    exam = examine(packed(tmp_path / "p", clips, rows))
    dropped = select_dropped(exam)
    assert {exam.name[one.place] for one in dropped} >= {f"clip{n}" for n in (0, 4, 8)}
    write_fixed(exam, dropped, tmp_path / "q")
    before, after = rows_of(tmp_path / "p"), rows_of(tmp_path / "q")
    assert set(after) == set(before) - {exam.name[one.place] for one in dropped}
    assert all(after[name] == before[name] for name in after)
    Pack(tmp_path / "q").flat(range(len(after)))


def test_nearly_identical_ones_go_only_if_asked(tmp_path: Path) -> None:
    exam = exam_of(tmp_path / "p", [sample("1", "a", "train"), sample("2", "a", "test"), sample("3", "b", "train")])
    assert select_dropped(exam) == []
    assert [(one.place, one.why) for one in select_dropped(exam, [["1", "2"]])] == [
        (0, "nearly identical to 2 of test")
    ]


def test_what_cannot_be_fixed(tmp_path: Path) -> None:
    exam = exam_of(tmp_path / "p", [sample("1", "a")])
    with pytest.raises(InputError, match="the pack itself"):
        write_fixed(exam, [], tmp_path / "p")
    with pytest.raises(InputError, match="no clip to keep"):
        write_fixed(exam_of(tmp_path / "q", [sample("1", "a", hand=False)]), select_dropped(exam_of(tmp_path / "r", [
            sample("1", "a", hand=False)])), tmp_path / "s")  # fmt: skip
    with pytest.raises(InputError, match="found 2 files; wanted one pack in one file"):
        write_fixed(examine(Pack([tmp_path / "p", tmp_path / "q"])), [], tmp_path / "s")
    assert not (tmp_path / "s").exists()
