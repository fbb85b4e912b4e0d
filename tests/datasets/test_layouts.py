"""Corpora whose files are not at hand, on miniatures of the published layouts: NMFs-CSL, AUTSL, LSA64, INCLUDE, …"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from helpers.dataset_files import pose_files, written

from twinsign.datasets.asl_citizen import asl_citizen
from twinsign.datasets.autsl import autsl
from twinsign.datasets.include import include
from twinsign.datasets.lsa64 import lsa64
from twinsign.datasets.matching import Annotation, Source, match_corpus
from twinsign.datasets.nmfs_csl import nmfs_csl
from twinsign.datasets.semlex import semlex
from twinsign.errors import InputError

SIGNS = "ClassId,TR,EN\n0,sen,you\n1,siz,you\n"
CITIZEN = "Participant ID,Video file,Gloss,ASL-LEX Code\n"
SEMLEX = ",video_id,signer_id,duration,split,label_type,label\n"
INCLUDE = "Category,Word,Video,FilePath\n"


def rows(annotation: Annotation, *names: str) -> list[tuple[str, ...]]:
    return [(clip.id, *(clip.row[name] for name in names)) for clip in annotation.clips]


def test_nmfs_csl(tmp_path: Path) -> None:
    lists = tmp_path / "traintestlist"
    written(lists / "trainlist01.txt", "000/a_1.avi 0\n609/b_1.avi 609\n610/c_1.avi 610\n")
    written(lists / "testlist01.txt", "0/a_2.avi\n1066/d_1.avi\n")
    annotation = nmfs_csl([lists])
    assert rows(annotation, "gloss", "split", "label", "confusing") == [
        ("0/a_2", "0000", "test", "0", "1"),
        ("1066/d_1", "1066", "test", "1066", "0"),
        ("000/a_1", "0000", "train", "0", "1"),
        ("609/b_1", "0609", "train", "609", "1"),
        ("610/c_1", "0610", "train", "610", "0"),
    ]
    assert [clip.size for clip in annotation.clips] == [(1000, 720), (540, 540), (1000, 720), (1000, 720), (540, 540)]
    for names in (["000/a_1", "610/c_1"], ["000_a_1", "610_c_1"], ["flat/a_1", "flat/c_1"]):
        corpus = match_corpus(annotation, Source(pose_files(tmp_path / names[0].replace("/", "-"), names)))
        assert [sample.id for sample in corpus.samples] == ["000/a_1", "610/c_1"]
    words = "".join(f"word{number}\n" for number in range(1067))
    more = [written(tmp_path / "gloss_label.txt", words), written(tmp_path / "confusing.txt", "word610\n1066\n")]
    annotation = nmfs_csl([lists, *more])
    assert {clip.row["gloss"] for clip in annotation.clips if clip.row["confusing"] == "1"} == {"word610", "word1066"}
    assert len(nmfs_csl([lists], subset=610).clips) == 3


@pytest.mark.parametrize("line", ["000/a.avi 1067", "000/a.avi x", "a.avi", "000/a.avi 1", "../a.avi 0", "/a.avi,0"])
def test_bad_lines_of_nmfs_csl(tmp_path: Path, line: str) -> None:
    file = written(tmp_path / "trainlist01.txt", f"001/x.avi,1\n{line}\n")
    with pytest.raises(InputError, match="of line 2") as caught:
        nmfs_csl([file])
    assert caught.value.file == file


def test_autsl(tmp_path: Path) -> None:
    written(tmp_path / "train_labels.csv", "signer0_sample1,0\nsigner12_sample10,1\n")
    written(tmp_path / "validation_labels.csv", "signer1_sample7,1\n")
    written(tmp_path / "SignList_ClassId_TR_EN.csv", SIGNS)
    annotation = autsl([tmp_path])
    assert rows(annotation, "gloss", "english", "split", "signer", "label") == [
        ("signer0_sample1", "sen", "you", "train", "signer0", "0"),
        ("signer12_sample10", "siz", "you", "train", "signer12", "1"),
        ("signer1_sample7", "siz", "you", "val", "signer1", "1"),
    ]
    names = ["train/signer0_sample1_color", "train/signer0_sample1_depth", "val/signer1_sample7_color"]
    corpus = match_corpus(annotation, Source(pose_files(tmp_path / "poses", names)))
    assert [sample.id for sample in corpus.samples] == ["signer0_sample1", "signer1_sample7"]
    assert len(autsl([tmp_path], subset=1).clips) == 1
    for bad, field in (("signer0,0", "name"), ("signer0_sample1,2", "class"), ("signer0_sample1,x", "class")):
        file = written(tmp_path / "train_labels.csv", f"{bad}\n")
        with pytest.raises(InputError, match=f"'{field}' of line 1") as caught:
            autsl([tmp_path])
        assert caught.value.file == file
    with pytest.raises(InputError, match="SignList"):
        autsl([tmp_path / "train_labels.csv"])


def test_lsa64(tmp_path: Path) -> None:
    signs = written(tmp_path / "lsa64_signs.md", "01|Opaque|R|\n02|Red|B|\n")
    annotation = lsa64([signs])
    assert len({clip.id for clip in annotation.clips}) == 3200
    assert Counter(clip.row["split"] for clip in annotation.clips) == {"train": 2560, "val": 320, "test": 320}
    assert {clip.row["signer"] for clip in annotation.clips if clip.row["split"] == "test"} == {"10"}
    first = next(clip for clip in annotation.clips if clip.id == "002_003_004")
    assert (first.row["gloss"], first.row["hands"], first.row["signer"], first.row["repetition"]) == (
        "Red",
        "B",
        "3",
        "4",
    )
    one_out = Counter(clip.row["split"] for clip in lsa64(test=[9]).clips)
    assert one_out == {"train": 2880, "test": 320}
    known = lsa64(split_by="repetition")
    assert {clip.row["repetition"]: clip.row["split"] for clip in known.clips} == {
        "1": "train",
        "2": "train",
        "3": "train",
        "4": "val",
        "5": "test",
    }
    corpus = match_corpus(annotation, Source(pose_files(tmp_path / "poses", ["001_002_003", "064_010_005"])))
    assert [(sample.id, sample.row["gloss"]) for sample in corpus.samples] == [
        ("001_002_003", "Opaque"),
        ("064_010_005", "064"),
    ]
    assert len(corpus.missing) == 3198
    with pytest.raises(InputError, match="none in both"):
        lsa64(val=[3], test=[3])
    with pytest.raises(InputError, match="from 1 to 5"):
        lsa64(split_by="repetition", test=[6])
    with pytest.raises(InputError, match="'sign' of line 1"):
        lsa64([written(tmp_path / "signs.txt", "65|Opaque|R|\n")])


def test_include(tmp_path: Path) -> None:
    written(tmp_path / "train_include.csv", INCLUDE + "Animals,4. Bird,MVI_1.MOV,Animals/4. Bird/MVI_1.MOV\n")
    places = "Places,19. House,Extra/MVI_2.MOV,Places/19. House/Extra/MVI_2.MOV\n"
    written(tmp_path / "test_include.csv", INCLUDE + places)
    written(tmp_path / "train_include50.csv", INCLUDE + places)
    annotation = include([tmp_path])
    assert rows(annotation, "gloss", "category", "split", "include50") == [
        ("Places/19. House/Extra/MVI_2", "House", "Places", "test", "1"),
        ("Animals/4. Bird/MVI_1", "Bird", "Animals", "train", "0"),
    ]
    assert rows(include([tmp_path], subset=50), "split") == [("Places/19. House/Extra/MVI_2", "train")]
    for names in (["Animals/4. Bird/MVI_1"], ["Animals_4. Bird_MVI_1"]):
        corpus = match_corpus(annotation, Source(pose_files(tmp_path / names[0][:8].replace("/", "-"), names)))
        assert [sample.row["gloss"] for sample in corpus.samples] == ["Bird"]
    paths = written(tmp_path / "lists" / "include_val.txt", "Home/28. Window/MVI_9013.MOV\n")
    assert rows(include([paths.parent]), "gloss", "split") == [("Home/28. Window/MVI_9013", "Window", "val")]
    with pytest.raises(InputError, match="include50"):
        include([paths], subset=50)
    with pytest.raises(InputError, match="50, or none"):
        include([paths], subset=100)
    with pytest.raises(InputError, match="'Word' of line 1"):
        include([written(tmp_path / "lists" / "include_test.txt", "MVI_9013.MOV\n")])
    with pytest.raises(InputError, match="'FilePath' of line 2"):
        include([written(tmp_path / "val_include.csv", INCLUDE + "a,b,c,../c\n")])


def test_asl_citizen(tmp_path: Path) -> None:
    written(tmp_path / "train.csv", CITIZEN + "P1,15890366051588-APPLE.mp4,APPLE,A_01\nP2,4.7-seedDOG 2.mp4,DOG2 ,\n")
    written(tmp_path / "val.csv", CITIZEN + 'P9,x.mp4,"TO, FRO",B_02\n')
    annotation = asl_citizen([tmp_path])
    assert rows(annotation, "gloss", "split", "signer", "asl_lex") == [
        ("15890366051588-APPLE", "APPLE", "train", "P1", "A_01"),
        ("4.7-seedDOG 2", "DOG2", "train", "P2", ""),
        ("x", "TO, FRO", "val", "P9", "B_02"),
    ]
    corpus = match_corpus(annotation, Source(pose_files(tmp_path / "poses", ["4.7-seedDOG 2", "x.mp4"])))
    assert [sample.id for sample in corpus.samples] == ["4.7-seedDOG 2", "x"]
    with pytest.raises(InputError, match="'Gloss' of line 2"):
        asl_citizen([written(tmp_path / "test.csv", CITIZEN + "P1,y.mp4,,\n")])
    with pytest.raises(InputError, match="Participant ID"):
        asl_citizen([written(tmp_path / "test.csv", "Video file,Gloss\ny.mp4,A\n")])


def test_semlex(tmp_path: Path) -> None:
    table = (
        "0,AjcE,s1,1.5,train,asllex,30_minute \n1,Bk,s2,2,val,freetext,last year\n2,AjcE,s1,1.5,test,asllex,30_minute\n"
    )
    file = written(tmp_path / "semlex_metadata.csv", SEMLEX + table)
    annotation = semlex([tmp_path])
    assert rows(annotation, "gloss", "split", "signer", "label_type")[:2] == [
        ("AjcE", "30_minute", "train", "s1", "asllex"),
        ("Bk", "last year", "val", "s2", "freetext"),
    ]
    corpus = match_corpus(annotation, Source(pose_files(tmp_path / "poses", ["train/AjcE", "val/Bk"])))
    assert [sample.row["split"] for sample in corpus.samples] == ["train", "val"]
    assert corpus.notes == ["clip 'AjcE' is listed again; the first counts: split 'test' after 'train'"]
    with pytest.raises(InputError, match="'split' of line 2") as caught:
        semlex([written(file, SEMLEX + "0,a,s,1,trial,asllex,x\n")])
    assert caught.value.file == file
