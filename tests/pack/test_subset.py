"""Folds inside a split: disjoint, whole groups, glosses spread; what the pack of a fold holds and how it trains."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.recordings import packed, recording
from helpers.tiny_configs import sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pack.subset import held_out, write_subset
from twinsign.pack.write import write_pack

FAST = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def pack_of(path: Path, rows: list[dict[str, Any]]) -> Pack:
    rng = np.random.default_rng(0)
    return packed(path, [recording(rng, f"c{n}", 2 + n % 3, scored=n % 2 == 0) for n in range(len(rows))], rows)


def every(pack: Pack, folds: int, by: str | None = None, seed: int = 0) -> list[set[int]]:
    return [set(held_out(pack, np.arange(len(pack)), folds, fold, by, seed).tolist()) for fold in range(folds)]


CLIPS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), min_size=8, max_size=24)


@FAST
@given(clips=CLIPS, folds=st.integers(2, 3), seed=st.integers(0, 3))
def test_folds_part_the_clips_and_never_a_group(
    tmp_path: Path, clips: list[tuple[str, int]], folds: int, seed: int
) -> None:
    rows = [{"gloss": gloss, "split": "train", "signer": f"s{who}"} for gloss, who in clips]
    pack = pack_of(tmp_path / "p", rows)
    for by in (None, "signer"):
        if by and len({who for _, who in clips}) < folds:
            with pytest.raises(InputError, match="groups of clips"):
                every(pack, folds, by)
            continue
        held = every(pack, folds, by, seed)
        assert sorted(row for one in held for row in one) == list(range(len(pack)))
        assert held == every(pack, folds, by, seed)
        if by:
            where = {row: number for number, one in enumerate(held) for row in one}
            assert len({(rows[row]["signer"], where[row]) for row in where}) == len({who for _, who in clips})


def test_each_gloss_is_spread_and_seeds_differ(tmp_path: Path) -> None:
    pack = pack_of(tmp_path / "p", [{"gloss": f"g{n % 4}", "split": "train"} for n in range(36)])
    glosses = pack.column("gloss")
    for held in every(pack, 3):
        assert Counter(glosses[row] for row in held) == dict.fromkeys(["g0", "g1", "g2", "g3"], 3)
    assert every(pack, 3) != every(pack, 3, seed=1)


def test_copies_stay_together_and_join_their_groups(tmp_path: Path) -> None:
    looks = [(1, "x"), (1, "y"), (2, "y"), (2, "z"), (3, "u"), (4, "v"), (5, "w"), (6, "t")]
    samples = [sample(str(n), "a", "train", look=look) for n, (look, _) in enumerate(looks)]
    for one, (_, signer) in zip(samples, looks, strict=True):
        one.row["signer"] = signer
    write_pack(samples, tmp_path / "p")
    pack = Pack(tmp_path / "p")
    for held in every(pack, 3):
        assert len(held & {0, 1}) in (0, 2)
        assert len(held & {2, 3}) in (0, 2)
    for held in every(pack, 3, "signer"):
        assert len(held & {0, 1, 2, 3}) in (0, 4), "x, y and z are one group: they share copies"


def test_the_pack_of_a_fold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"gloss": f"g{n % 2}", "split": "train"} for n in range(8)]
    rows += [{"gloss": "", "split": "train"}, {"gloss": "g0", "split": "val"}, {"gloss": "g1", "split": "test"}]
    whole = pack_of(tmp_path / "p", rows)
    out = tmp_path / "q.pack"
    assert main(["fold", str(tmp_path / "p"), "--out", str(out), "--folds", "4", "--fold", "1"]) == 0
    assert "7 train, 2 val" in " ".join(capsys.readouterr().err.split())
    pack = Pack(out)
    assert pack.column("id") == [f"c{n}" for n in range(9)], "val and test are not in it"
    held = held_out(whole, np.arange(8), 4, 1)
    assert pack.select(["val"]).tolist() == held.tolist()
    assert pack.splits[8] == "train", "a clip without a gloss is learnt from"
    note = pack.provenance[0]["fold"]
    assert (note["of"], note["folds"], note["fold"], note["split"]) == (str(tmp_path / "p"), 4, 1, "train")
    for row in range(9):
        assert np.array_equal(pack.recording(row).xy, whole.recording(row).xy)
    words = ["--split", "all", "--held", "test", "--folds", "2"]
    assert main(["fold", str(tmp_path / "p"), "--out", str(out), *words]) == 0
    assert Counter(Pack(out).splits.tolist()) == {"train": 6, "test": 5}


def test_a_gloss_that_only_held_out_clips_show_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"gloss": f"g{n % 2}", "split": "train", "signer": f"s{n % 4}"} for n in range(8)]
    rows += [{"gloss": "rare", "split": "train", "signer": "s0"}]
    pack, lost = pack_of(tmp_path / "p", rows), 0
    for fold in range(2):
        words = ["--out", str(tmp_path / "q"), "--folds", "2", "--fold", str(fold), "--by", "signer"]
        assert main(["fold", str(tmp_path / "p"), *words]) == 0
        made = Pack(tmp_path / "q")
        glosses = np.asarray(made.column("gloss"))
        assert {*glosses[made.select(["val"])]} <= {*glosses[made.select(["train"])]}
        said = "left out, 1 clips of glosses that train would lack: rare" in " ".join(capsys.readouterr().err.split())
        assert said == (len(made) == len(pack) - 1)
        lost += said
    assert lost == 1


def test_what_the_annotation_lists_beside_is_of_the_old_splits(tmp_path: Path) -> None:
    pack = pack_of(tmp_path / "p", [{"gloss": "a", "split": "train"}, {"gloss": "b", "split": "train"}])
    write_subset(pack, np.ones(2, bool), tmp_path / "q", {"fold": {}}, ["train", "val"])
    metadata = ipc.open_file(str(tmp_path / "q")).schema.metadata
    assert json.loads(metadata[b"twinsign_missing"]) == []


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ("ab", {"folds": 1}, "fold 0 of 1"),
        ("ab", {"folds": 3, "fold": 3}, "fold 3 of 3"),
        ("ab", {"folds": 2, "fold": -1}, "fold -1 of 2"),
        ("ab", {"folds": 2}, "1 clips of 'a', the most of any gloss"),
        ("aab", {"folds": 4}, "3 groups of clips"),
        ("", {"folds": 2}, "no clip with a gloss"),
        ("aab", {"folds": 2, "by": "signer"}, "clip 'c0': found no value in 'signer'"),
        ("aab", {"folds": 2, "by": "house"}, "no column 'house'"),
    ],
)
def test_refusals(tmp_path: Path, rows: str, options: dict[str, Any], message: str) -> None:
    given = [{"gloss": gloss, "split": "train"} for gloss in rows] or [{"gloss": "", "split": "train"}]
    pack = pack_of(tmp_path / "p", given)
    with pytest.raises(InputError, match=message):
        held_out(pack, np.arange(len(pack)), **{"fold": 0, **options})
