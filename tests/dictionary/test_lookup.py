"""A dictionary of signs: what is enrolled is found, kept, bound to its RUN, and never found with more than is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.tiny_configs import pack_of, sample
from helpers.trained_runs import Trained, copy_essentials

from twinsign.dictionary import lookup as looking
from twinsign.dictionary import store as stored
from twinsign.dictionary.calibration import FEWEST
from twinsign.dictionary.entries import ABOUT, Sign
from twinsign.dictionary.held_out import RANKERS
from twinsign.dictionary.lookup import Dictionary
from twinsign.dictionary.store import DictionaryStore
from twinsign.errors import InputError
from twinsign.evaluation.retrieve import knn_scores
from twinsign.files import locked
from twinsign.inference.embeddings import read_embeddings, write_embeddings
from twinsign.inference.recogniser import Recogniser
from twinsign.pack.open import Pack
from twinsign.pose.layout import HANDS, JOINTS, TRUNK
from twinsign.runs.run import CONFIG


def signs_of(pack: Pack, rows: list[int]) -> list[Sign]:
    return [Sign(pack.recording(row), str(pack.table["gloss"][row].as_py())) for row in rows]


@pytest.fixture
def lookup(trained: Trained, tmp_path: Path) -> Dictionary:
    """An empty dictionary of the pre-trained RUN."""
    return Dictionary.load(trained.pretrained, tmp_path / "D")


@pytest.fixture
def pack(trained: Trained) -> Pack:
    return Pack(trained.pack)


@pytest.mark.parametrize("name", ["pretrained", "finetuned"])
def test_vectors_are_those_of_embed_and_the_nearest_is_found(trained: Trained, tmp_path: Path, name: str) -> None:
    pack, run = Pack(trained.pack), trained.folder / name
    train, test = pack.select(["train"]), pack.select(["test"])
    lookup = Dictionary.load(run, tmp_path / "D")
    added = lookup.enrol_pack(pack, train)
    usable = train[pack.usable[train]]
    assert len(added.ids) == len(usable) == len(lookup.dictionary)
    write_embeddings(tmp_path / "f.parquet", lookup.embedder.run, pack, np.concatenate([usable, test]))
    vectors = read_embeddings(tmp_path / "f.parquet").features["embedding"]
    gallery, asked = vectors[: len(usable)], vectors[len(usable) :]
    np.testing.assert_allclose(lookup.dictionary.entries.vectors.numpy(), gallery, atol=1e-5)
    glosses = pack.table["gloss"].take(usable).to_pylist()
    recordings = [pack.recording(int(row)) for row in test]
    for by in RANKERS:
        found = Dictionary.load(run, tmp_path / "D").search_many(recordings, top=4, by=by)
        for one, query in zip(found, asked, strict=True):
            cosines = gallery @ query
            table = {}
            for gloss in set(glosses):
                own = gallery[[other == gloss for other in glosses]]
                middle = own.sum(axis=0) / np.linalg.norm(own.sum(axis=0))
                table[gloss] = float((own @ query).max() if by == "nearest" else middle @ query)
            assert [guess.gloss for guess in one.guesses] == sorted(table, key=lambda name: -table[name])
            order = np.argsort(-cosines)[:4]
            assert [match.similarity for match in one.nearest] == pytest.approx(cosines[order].tolist(), abs=1e-4)
            assert one.nearest[0].gloss == glosses[order[0]]


def test_a_recording_finds_itself_and_plays_back(lookup: Dictionary, pack: Pack) -> None:
    signs = signs_of(pack, [0, 5, 9])
    added = lookup.enrol([replace(sign, signer="Ada") for sign in signs])
    assert added.ids == [f"{sign.gloss}:{sign.recording.id}" for sign in signs]
    found = lookup.search(signs[1].recording, by="nearest")
    assert (found.nearest[0].id, found.guesses[0].gloss) == (added.ids[1], signs[1].gloss)
    assert found.nearest[0].similarity == pytest.approx(1, abs=1e-5)
    listed = lookup.dictionary.listed()
    assert [(one.id, one.gloss, one.signer) for one in listed] == [
        (id, sign.gloss, "Ada") for id, sign in zip(added.ids, signs, strict=True)
    ]
    assert all(one.added.endswith("+00:00") for one in listed)
    played = lookup.dictionary.recording(added.ids[2])
    np.testing.assert_allclose(played.xy, signs[2].recording.xy, atol=1e-3)
    np.testing.assert_array_equal(played.seen, signs[2].recording.seen)
    assert Pack(lookup.dictionary.path).column("id") == added.ids, "it is a pack, too"


def test_identical_recordings_are_refused_once_and_for_all(lookup: Dictionary, pack: Pack) -> None:
    first, second = signs_of(pack, [0, 1])
    renamed = replace(first, recording=replace(first.recording, id="other name"), gloss="other sign")
    added = lookup.enrol([first, renamed, second])
    assert len(added.ids) == 2
    assert added.known == [("other name", added.ids[0])]
    again = Dictionary.load(lookup.embedder.run.path, lookup.dictionary.path).enrol([second])
    assert (again.ids, again.known) == ([], [(second.recording.id, added.ids[1])])
    changed = replace(second.recording, xy=second.recording.xy * np.float32(0.9))
    assert lookup.enrol([replace(second, recording=changed)]).ids == [f"{added.ids[1]}-2"]


def test_deleting_by_gloss_and_by_id(lookup: Dictionary, pack: Pack) -> None:
    lookup.enrol_pack(pack, np.arange(len(pack)))
    glosses, many = lookup.dictionary.entries.glosses, len(lookup.dictionary)
    other = next(one for one in lookup.dictionary.listed() if one.gloss == glosses[1]).id
    gone = lookup.delete([glosses[0], other])
    assert len(gone) > 2
    assert other in gone
    for one in (lookup.dictionary, DictionaryStore.open(lookup.dictionary.path)):
        assert len(one) == many - len(gone)
        assert glosses[0] not in one.entries.glosses
        assert glosses[1] in one.entries.glosses
        with pytest.raises(InputError, match="no sign"):
            one.recording(other)
    before = lookup.dictionary.entries.ids
    with pytest.raises(InputError, match=r"no sign 'nonsuch'"):
        lookup.delete([glosses[1], "nonsuch"])
    assert DictionaryStore.open(lookup.dictionary.path).entries.ids == before
    lookup.delete(lookup.dictionary.entries.glosses)
    assert not list(lookup.dictionary.path.glob("*.pack"))
    with pytest.raises(InputError, match="empty dictionary"):
        lookup.search(pack.recording(0))
    assert lookup.enrol(signs_of(pack, [0])).ids


def test_another_runs_vectors_are_refused_and_can_be_made_anew(
    lookup: Dictionary, trained: Trained, pack: Pack, tmp_path: Path
) -> None:
    lookup.enrol(signs_of(pack, [0, 1]))
    with pytest.raises(InputError, match=r"vectors of the RUN.*those of.*Enrol it again"):
        Dictionary.load(trained.linear, tmp_path / "D")
    with pytest.raises(InputError, match="vectors of the RUN"):
        Dictionary.of(Recogniser.load(trained.linear), tmp_path / "D")
    reopened = Dictionary.load(trained.linear, tmp_path / "E")
    old = Pack(tmp_path / "D")
    assert len(reopened.enrol_pack(old, np.arange(len(old))).ids) == 2
    assert reopened.dictionary.entries.column("gloss") == lookup.dictionary.entries.column("gloss")
    moved = copy_essentials(trained.pretrained, tmp_path / "moved")
    assert len(Dictionary.load(moved, tmp_path / "D").dictionary) == 2, "the same weights elsewhere are the same RUN"


def test_vectors_of_a_version_that_showed_unknown_joints_are_made_anew(
    trained: Trained, pack: Pack, tmp_path: Path
) -> None:
    """The RUN never learnt from trunks; the dictionary is of a version that showed them to it all the same."""
    run = copy_essentials(trained.pretrained, tmp_path / "run")
    values = yaml.safe_load((run / CONFIG).read_text())
    values["recipe"]["read"]["crop"]["ignore"] = list(JOINTS[TRUNK])
    (run / CONFIG).write_text(yaml.safe_dump(values))
    lookup = Dictionary.load(run)
    lookup.enrol(signs_of(pack, [0, 1, 2]))
    wanted = lookup.dictionary.entries.vectors.clone()
    folder = lookup.dictionary.path
    about = json.loads((folder / ABOUT).read_text())
    assert about["reading"]
    file = next(folder.glob("*.pack"))
    whole = Dictionary.load(trained.pretrained, tmp_path / "whole")
    whole.enrol(signs_of(pack, [0, 1, 2]))
    assert not torch.allclose(whole.dictionary.entries.vectors, wanted)
    file.write_bytes(next((tmp_path / "whole").glob("*.pack")).read_bytes())
    (folder / ABOUT).write_text(json.dumps({name: value for name, value in about.items() if name != "reading"}))
    found = Dictionary.load(run)
    torch.testing.assert_close(found.dictionary.entries.vectors, wanted)
    assert found.dictionary.metadata.reading == about["reading"]
    assert found.search(pack.recording(1)).nearest[0].similarity == pytest.approx(1, abs=1e-5)
    edition = found.dictionary.metadata.edition
    assert Dictionary.load(run).dictionary.metadata.edition == edition, "once"


def test_the_runs_own_dictionary_and_the_dictionarys_own_run(
    trained: Trained, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copy_essentials(trained.pretrained, tmp_path / "run")
    lookup = Dictionary.load(run)
    assert not (run / "dictionary").exists(), "nothing is written before there is a sign"
    lookup.enrol(signs_of(pack, [0]))
    assert Dictionary.load(dictionary=run / "dictionary").embedder.run.digest() == lookup.embedder.run.digest()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    found = Dictionary.load()
    assert (found.embedder.run.reference, found.dictionary.path) == ("asl2000", Path("dictionary"))
    assert Dictionary.load("asl300").dictionary.path == Path("dictionary-asl300"), "one model's vectors are no other's"
    with pytest.raises(InputError, match=r"folder without dictionary\.json"):
        Dictionary.load(dictionary=tmp_path)
    with pytest.raises(InputError, match=r"folder without dictionary\.json"):
        Dictionary.load(run, tmp_path)


def test_other_processes_see_changes_and_wait_their_turn(lookup: Dictionary, pack: Pack) -> None:
    other = Dictionary.load(lookup.embedder.run.path, lookup.dictionary.path)
    one, two, three = signs_of(pack, [0, 1, 2])
    lookup.enrol([one])
    other.enrol([two])
    assert lookup.search(two.recording).nearest[0].id == other.dictionary.entries.ids[1]
    with locked(lookup.dictionary.path), pytest.raises(InputError, match="in use"):
        other.enrol([three])
    assert len(DictionaryStore.open(lookup.dictionary.path)) == 2


def test_small_changes_rewrite_small_files(lookup: Dictionary, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "BATCH_CLIPS", 3)
    monkeypatch.setattr(stored, "BATCH_MOST", 4)
    usable, sizes = np.flatnonzero(pack.usable).tolist(), []
    for rows in (slice(1), slice(1, 2), slice(2, 3), slice(3, 4), slice(4, 14), slice(14, 15)):
        lookup.enrol(signs_of(pack, usable[rows]))
        sizes.append([len(Pack(file)) for file in sorted(lookup.dictionary.path.glob("*.pack"))])
    assert sizes[:4] == [[1], [2], [3], [3, 1]]
    assert sizes[4:] == [[3, 5, 4, 2], [3, 5, 4, 3]]
    assert lookup.dictionary.entries.ids == Pack(lookup.dictionary.path).column("id")


def test_a_failed_write_changes_nothing(lookup: Dictionary, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    lookup.enrol(signs_of(pack, [0]))
    before = {one.name: one.read_bytes() for one in lookup.dictionary.path.iterdir() if one.name != ".lock"}

    def broken(*given: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(stored, "write_file", broken)
    with pytest.raises(OSError, match="disk full"):
        lookup.enrol(signs_of(pack, [1]))
    after = {one.name: one.read_bytes() for one in lookup.dictionary.path.iterdir() if one.name != ".lock"}
    assert after == before


def test_a_crash_before_the_first_sign_leaves_an_empty_dictionary(
    lookup: Dictionary, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = DictionaryStore._save

    def killed(self: DictionaryStore, calibration: object) -> None:
        if list(self.path.glob("*.pack")):
            raise KeyboardInterrupt
        changed(self, None)

    monkeypatch.setattr(DictionaryStore, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        lookup.enrol(signs_of(pack, [0]))
    monkeypatch.undo()
    again = Dictionary.load(lookup.embedder.run.path, lookup.dictionary.path)
    assert len(again.dictionary) == 1, "what was written is there"
    assert again.search(pack.recording(0)).nearest[0].similarity == pytest.approx(1, abs=1e-5)


def test_damage_and_bad_signs_are_named(lookup: Dictionary, pack: Pack) -> None:
    one, two = signs_of(pack, [0, 1])
    score = two.recording.score.copy()
    score[:, HANDS] = 0
    with pytest.raises(InputError, match="no hand"):
        lookup.enrol([one, replace(two, recording=replace(two.recording, score=score))])
    with pytest.raises(InputError, match="a name for the sign"):
        lookup.enrol([replace(one, gloss=" \t")])
    assert not len(lookup.dictionary)
    lookup.enrol([replace(one, gloss="  thank   you ")])
    assert lookup.dictionary.entries.glosses == ["thank you"]
    about = lookup.dictionary.path / "dictionary.json"
    content = json.loads(about.read_text())
    for broken in (
        "{",
        "[]",
        json.dumps({**content, "format": 9}),
        json.dumps({**content, "calibration": {"x": {}, "y": 3}}),
    ):
        about.write_text(broken)
        with pytest.raises(InputError, match=r"dictionary\.json"):
            DictionaryStore.open(lookup.dictionary.path)


def test_clips_without_a_hand_or_a_gloss_stay_out(lookup: Dictionary, tmp_path: Path) -> None:
    pack = pack_of(tmp_path / "P", sample("a", "A"), sample("b", "B", hand=False), sample("c", ""), sample("d", "D"))
    ticked: list[int] = []
    assert lookup.enrol_pack(pack, np.arange(4), ticked.append).ids == ["A:a", "D:d"]
    assert sum(ticked) == 2
    again = lookup.enrol_pack(pack, np.arange(4))
    assert (again.ids, again.known) == ([], [("a", "A:a"), ("d", "D:d")])


def test_nothing_is_sure_of_a_dictionary_that_cannot_be_asked(lookup: Dictionary, pack: Pack) -> None:
    by_gloss: dict[str, list[int]] = {}
    for row in np.flatnonzero(pack.usable).tolist():
        by_gloss.setdefault(pack.table["gloss"][row].as_py(), []).append(row)
    lookup.enrol(signs_of(pack, [rows[0] for rows in by_gloss.values()]))
    assert all(not one.recordings for one in (lookup.dictionary.metadata.calibration or {}).values())
    found = lookup.search(pack.recording(by_gloss[lookup.dictionary.entries.glosses[0]][0]))
    assert not found.sure
    assert 0 < sum(guess.confidence for guess in found.guesses) < 1
    lookup.enrol(signs_of(pack, [row for rows in by_gloss.values() for row in rows[1:4]]))
    assert all(one.recordings >= FEWEST for one in (lookup.dictionary.metadata.calibration or {}).values())


def test_ranking_by_the_nearest_agrees_with_one_neighbour(lookup: Dictionary, pack: Pack) -> None:
    lookup.enrol_pack(pack, pack.select(["train"]))
    entries = lookup.dictionary.entries
    asked = torch.from_numpy(lookup.embedder.embed([pack.recording(int(row)) for row in pack.select(["test"])]))
    found = looking.gloss_similarity(entries, asked, asked @ entries.vectors.T, "nearest")
    wanted = knn_scores(asked, entries.vectors, entries.labels, len(entries.glosses), neighbours=1)
    assert found.argmax(dim=1).tolist() == wanted.argmax(dim=1).tolist()


def killed_between_pack_and_json(lookup: Dictionary, signs: list[Sign], monkeypatch: pytest.MonkeyPatch) -> None:
    """The packs are written, dictionary.json is not."""
    real = stored.write_json

    def killed(file: Path, value: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stored, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        lookup.enrol(signs)
    monkeypatch.setattr(stored, "write_json", real)


def test_a_sign_whose_enrolling_was_killed_is_seen_and_ends_the_calibration(
    lookup: Dictionary, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    *some, last = np.flatnonzero(pack.usable)[:21].tolist()
    lookup.enrol(signs_of(pack, some))
    reader = Dictionary.load(lookup.embedder.run.path, lookup.dictionary.path)
    assert reader.dictionary.entries.calibration is not None
    killed_between_pack_and_json(lookup, signs_of(pack, [last]), monkeypatch)
    assert len(reader.dictionary.refresh().ids) == 21, "an open reader sees it"
    assert reader.search(pack.recording(last)).nearest[0].similarity == pytest.approx(1, abs=1e-5)
    assert reader.dictionary.entries.calibration is None, "it was fitted on other entries"
    again = Dictionary.load(lookup.embedder.run.path, lookup.dictionary.path)
    added = again.enrol(signs_of(pack, [last]))
    assert (added.ids, len(added.known)) == ([], 1)
    assert again.dictionary.entries.calibration is not None, "the same command fits it anew"


def test_leftovers_of_a_first_write_block_no_folder(lookup: Dictionary, pack: Pack) -> None:
    folder = lookup.dictionary.path
    folder.mkdir()
    for name in (".lock", ".dictionary.json.tmp", ".dictionary.json.77.tmp", ".000001.pack.77.0.tmp"):
        (folder / name).write_text("half")
    found = Dictionary.load(lookup.embedder.run.path, folder)
    assert len(found.enrol(signs_of(pack, [0])).ids) == 1
    assert {one.name for one in folder.iterdir()} == {".lock", "dictionary.json", "000001.pack"}
    (folder / "dictionary.json").unlink()
    with pytest.raises(InputError, match=r"a folder without dictionary\.json"):
        Dictionary.load(lookup.embedder.run.path, folder)
