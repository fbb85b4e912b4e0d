"""The commands that pack a published dataset from its own annotation files and a folder of poses."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from twinsign.cli.options import FieldsOf, OptionalWords, Words
from twinsign.cli.packing import PackTarget, pack_corpus
from twinsign.datasets.matching import Source, match_corpus

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Inputs:
    """Annotation, poses and pack of a dataset."""

    annotations: Words
    source: FieldsOf[Source]
    target: FieldsOf[PackTarget]

    def pack(self, dataset: str, **options: Any) -> int:
        """Read the annotation by the function of that name, match it with the poses, and pack; gives the exit code."""
        read = getattr(import_module(f"twinsign.datasets.{dataset}"), dataset)
        annotation = read([Path(file) for file in self.annotations], **options)
        source = {name: str(value) if isinstance(value, Path) else value for name, value in vars(self.source).items()}
        record = {"command": f"pack {dataset}", "dataset": dataset, "annotations": self.annotations}
        return pack_corpus(match_corpus(annotation, self.source), self.target, {**record, **source, **options})


@dataclass(frozen=True)
class InputsWithoutList(Inputs):
    """Annotation, if there is one, poses and pack of a dataset."""

    annotations: OptionalWords


def pack_wlasl(inputs: FieldsOf[Inputs], subset: int | None = None) -> int:
    """Pack WLASL (100, 300, 1000, 2000): American signs from the web.

    Annotations, from github.com/dxli94/WLASL: start_kit/WLASL_v0.3.json (glosses, signers, boxes), or nslt_2000.json
    (or _100, _300, _1000) with wlasl_class_list.txt from code/I3D/preprocess; all of them for a check of one against
    the other. Pose files are named by video id: 07069.pose. Columns wlasl100, wlasl300, wlasl1000 serve --where.

    Args:
        subset: Pack only the first so many glosses: 100, 300, 1000.
    """
    return inputs.pack("wlasl", subset=subset)


def pack_msasl(inputs: FieldsOf[Inputs], subset: int | None = None) -> int:
    """Pack MS-ASL (100, 200, 500, 1000): American signs from YouTube, no signer in two splits.

    Annotations, from microsoft.com/research/project/ms-asl: MSASL_train.json, MSASL_val.json, MSASL_test.json,
    MSASL_classes.json, MSASL_synonym.json. Names of pose files (--names): split_index (train/00000, counted from 0 in
    the split's file), split_index_flat (train_00000), split_number (train/0), frames (VIDEO_START_END), video (VIDEO:
    one file for all clips of a video). Columns msasl100, msasl200, msasl500 serve --where.

    Args:
        subset: Pack only the first so many glosses: 100, 200, 500.
    """
    return inputs.pack("msasl", subset=subset)


def pack_slr500(
    inputs: FieldsOf[Inputs],
    splits: Literal["paper", "files"] = "paper",
    val_signers: Numbers = (),
    subset: int | None = None,
) -> int:
    """Pack SLR500 (CSL isolated): 500 Chinese words, 50 signers.

    Annotations: gloss_label.txt of the dataset (ustc-slr.github.io/datasets, by agreement), and, if there,
    split.train.csv and split.test.csv from AI4Bharat/OpenHands. Pose files are named as the videos: P41_01_00_1, or
    000/P41_01_00_1._color. There is no val: --val_signers takes some from train.

    Args:
        splits: By signer as published (train P01 to P36, test P37 to P50), or as the split files say (P36 in test).
        val_signers: Signers of train that become val, such as '[33, 34, 35, 36]'.
        subset: Pack only the first so many classes.
    """
    return inputs.pack("slr500", splits=splits, val_signers=val_signers, subset=subset)


def pack_nmfs_csl(inputs: FieldsOf[Inputs], subset: int | None = None) -> int:
    """Pack NMFs-CSL: 1067 Chinese words, 610 of them confusing.

    Annotations, of the dataset (ustc-slr.github.io/datasets, by agreement): traintestlist/trainlist01.txt and
    testlist01.txt; optional gloss*.txt (a word a line, in class order) and confusing*.txt (classes or words). Pose
    files are named CLASS/CLIP as in the lists, or CLASS_CLIP. Column confusing serves --where confusing=1 and =0.

    Args:
        subset: Pack only the first so many classes.
    """
    return inputs.pack("nmfs_csl", subset=subset)


def pack_autsl(inputs: FieldsOf[Inputs], subset: int | None = None) -> int:
    """Pack AUTSL: 226 Turkish signs, no signer in two splits.

    Annotations, of the dataset (cvml.ankara.edu.tr, by registration): train_labels.csv, validation_labels.csv,
    test_labels.csv, SignList_ClassId_TR_EN.csv. Pose files are named signer0_sample1, or signer0_sample1_color.

    Args:
        subset: Pack only the first so many classes.
    """
    return inputs.pack("autsl", subset=subset)


def pack_lsa64(
    inputs: FieldsOf[InputsWithoutList],
    split_by: Literal["signer", "repetition"] = "signer",
    val: Numbers | None = None,
    test: Numbers | None = None,
) -> int:
    """Pack LSA64: 64 Argentinian signs, 10 signers, 5 times each.

    Annotations, optional: lsa64_signs.md (AI4Bharat/OpenHands) with lines NUMBER|GLOSS|HANDS; without it glosses are
    numbers. Pose files are named as the videos: SIGN_SIGNER_REPETITION, 001_002_003 (facundoq.github.io/datasets).

    Args:
        split_by: Signers in one split each (val 9, test 10), or repetitions (val 4, test 5) of all signers.
        val: Signers or repetitions of val.
        test: Signers or repetitions of test; '[1]' to '[10]' in turn leave one signer out.
    """
    return inputs.pack("lsa64", split_by=split_by, val=val, test=test)


def pack_include(inputs: FieldsOf[Inputs], subset: int | None = None) -> int:
    """Pack INCLUDE or INCLUDE-50: 263 or 50 Indian signs.

    Annotations: train_include.csv and test_include.csv (AI4Bharat/OpenHands), or include_train.txt, include_val.txt
    and include_test.txt (AI4Bharat/INCLUDE); the same with include50 for the 50. Pose files are named as the videos:
    Animals/4. Bird/MVI_2988, or with _ for /.

    Args:
        subset: 50 for INCLUDE-50 with its own splits.
    """
    return inputs.pack("include", subset=subset)


def pack_asl_citizen(inputs: FieldsOf[Inputs]) -> int:
    """Pack ASL Citizen: 2,731 American signs before webcams, no person in two splits.

    Annotations, of the dataset (microsoft.com/research/project/asl-citizen): splits/train.csv, val.csv, test.csv. Pose
    files are named as the videos.
    """
    return inputs.pack("asl_citizen")


def pack_semlex(inputs: FieldsOf[Inputs]) -> int:
    """Pack Sem-Lex: American signs named as in ASL-LEX or freely.

    Annotations, of the dataset (github.com/leekezar/SemLex): semlex_metadata.csv. Pose files are named by video id.
    --where label_type=asllex takes the signs that ASL-LEX has.
    """
    return inputs.pack("semlex")
