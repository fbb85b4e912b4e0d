"""The commands that pack your own poses and generated ones, and that hold out a fold of a pack.

Published datasets are packed by `pack_datasets`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from twinsign.cli.console import errors, parse_splits
from twinsign.cli.options import FieldsOf, OptionalWords, PoseFormat, Positional, Words
from twinsign.cli.packing import PackTarget, pack_corpus
from twinsign.datasets.columns import parse_columns
from twinsign.datasets.elan_clips import ElanConfig, elan_corpus
from twinsign.datasets.folder import folder_corpus, landmark_corpus, set_corpus
from twinsign.datasets.sample import Corpus
from twinsign.datasets.splits import SHARES, split_by
from twinsign.datasets.tables import NO_SPLIT, annotation_files
from twinsign.files import sha256
from twinsign.pose.read import open_set
from twinsign.synthetic.corpus import SyntheticConfig, synthetic_corpus


@dataclass(frozen=True)
class GroupSplit:
    """Splits by groups of clips.

    Args:
        split_by: Column whose groups (signers, recording sessions) go to train, val or test as a whole.
        shares: Shares of train, val and test, with --split_by.
        seed: Random seed of the choice of groups, with --split_by.
    """

    split_by: str | None = None
    shares: tuple[float, float, float] = SHARES
    seed: int = 0

    def apply(self, corpus: Corpus, provenance: dict[str, Any]) -> Corpus:
        """The corpus with these splits where a column was given, which the provenance then records."""
        if not self.split_by:
            return corpus
        provenance |= {"split_by": self.split_by, "shares": list(self.shares), "seed": self.seed}
        stated = sum((sample.row.get("split") or "") not in NO_SPLIT for sample in corpus.samples)
        notes = [f"{stated} clips have a split already, which --split_by {self.split_by} replaces"] if stated else []
        return split_by(replace(corpus, notes=[*notes, *corpus.notes]), self.split_by, self.shares, self.seed)


def pack_landmarks(data: Path, target: FieldsOf[PackTarget], dataset: str = "") -> int:
    """Pack a landmark set: NAME.npz with NAME.csv beside it.

    Args:
        data: NAME.npz.
    """
    provenance = {"command": "pack landmarks", "data": str(data), "dataset": dataset}
    return pack_corpus(landmark_corpus(data), target, provenance)


def pack_set(
    data: Path,
    target: FieldsOf[PackTarget],
    format: FieldsOf[PoseFormat],
    splits: FieldsOf[GroupSplit],
    dataset: str = "",
) -> int:
    """Pack a file of many clips of any known format, with its glosses, splits and signers where it has them.

    Args:
        data: A landmark set, or a file of PYSKL, NLA-SLR, SAM-SLR, SPOTER or Kaggle's signs (docs/data.md).
    """
    provenance = {"command": "pack set", "data": str(data), "dataset": dataset, **vars(format)}
    corpus = splits.apply(set_corpus(open_set(data, size=format.size, fps=format.fps, unit=format.unit)), provenance)
    return pack_corpus(corpus, target, provenance)


def pack_folder(
    poses: Path,
    target: FieldsOf[PackTarget],
    format: FieldsOf[PoseFormat],
    splits: FieldsOf[GroupSplit],
    annotations: Path | None = None,
    columns: str | None = None,
    dataset: str = "",
) -> int:
    """Pack your own pose files: a folder for each gloss, or a CSV of file, gloss, split, signer.

    Args:
        poses: Folder of pose files: GLOSS/clip or SPLIT/GLOSS/clip, or whatever the CSV names.
        annotations: CSV with a column `file`, and gloss, split, signer, or more.
        columns: Those columns where they have other names: file=path,gloss=sign,signer=participant_id.
    """
    names = {"poses": str(poses), "annotations": str(annotations), "dataset": dataset}
    provenance = {"command": "pack folder", **names, **vars(format), **({"columns": columns} if columns else {})}
    parsed = parse_columns(columns)
    corpus = folder_corpus(poses, annotations, size=format.size, fps=format.fps, unit=format.unit, columns=parsed)
    return pack_corpus(splits.apply(corpus, provenance), target, provenance)


def pack_elan(
    annotations: Words,
    poses: Path,
    tier: Words,
    target: FieldsOf[PackTarget],
    format: FieldsOf[PoseFormat],
    splits: FieldsOf[GroupSplit],
    glosses: Path | None = None,
    unlabelled: int = 0,
    dataset: str = "",
) -> int:
    """Pack the clips that ELAN annotations cut out of long recordings; unusable annotations are listed.

    --split_by signer takes the tiers' participants, --split_by recording the files.

    Args:
        annotations: ELAN files (.eaf), or folders of them.
        poses: Folder with the recordings' pose files, named as the ELAN files or as the videos that they link.
        tier: Tiers whose values are glosses; * stands for anything. Tiers that refer to others have their times.
        glosses: CSV of value and gloss: what to call an annotation's value; an empty gloss leaves it out.
        unlabelled: Frames of unlabelled clips to cut out of stretches without annotation, for pre-training; 0: none.
    """
    files = annotation_files(annotations, "*.eaf")
    corpus = elan_corpus(files, poses, ElanConfig(tier, glosses, unlabelled, format.size, format.fps, format.unit))
    provenance: dict[str, Any] = {"command": "pack elan", "annotations": annotations, "poses": str(poses), "tier": tier}
    provenance |= {"glosses": glosses and str(glosses), "unlabelled": unlabelled, "dataset": dataset, **vars(format)}
    return pack_corpus(splits.apply(corpus, provenance), target, provenance)


def pack_synthetic(target: FieldsOf[PackTarget], corpus: SyntheticConfig = SyntheticConfig()) -> int:  # noqa: B008
    """Pack generated signs: what the demo learns from.

    Args:
        corpus: Size and nuisance of the corpus.
    """
    dataset = f"synthetic {sha256(repr(corpus))}"
    provenance = {"command": "pack synthetic", "corpus": asdict(corpus), "dataset": dataset}
    return pack_corpus(synthetic_corpus(corpus), target, provenance)


def fold(
    pack: Positional[Path],
    out: Path,
    where: OptionalWords,
    folds: int = 5,
    fold: int = 0,
    by: str | None = None,
    split: str = "train",
    held: Literal["val", "test"] = "val",
    seed: int = 0,
) -> None:
    """Hold out a fold of a split's clips, as a pack of its own: to choose settings without looking at val or test.

    Args:
        pack: The pack to take clips from.
        out: Pack to write: the split's clips and no others, as train and what is held out.
        folds: Number of folds; each labelled clip is held out by one of them.
        fold: Which fold, from 0.
        by: Column whose groups (signers, recording sessions) stay together; clips of identical poses always do.
        split: Splits whose clips take part, joined by commas, or `all`.
        held: Split of the held-out clips.
        seed: Random seed of the assignment to folds.
    """
    from twinsign.pack.open import Pack
    from twinsign.pack.subset import held_out, make_fold, write_subset

    source = Pack(pack)
    rows = source.select(parse_splits(split), where)
    away = held_out(source, rows, folds, fold, by, seed)
    chosen = make_fold(source, rows, away, held)
    record = {"of": str(pack), "where": where, "split": split, "folds": folds, "fold": fold, "by": by, "seed": seed}
    write_subset(source, chosen.kept, out, {"fold": record}, chosen.splits)
    count = int(chosen.kept[away].sum())
    lines = [f"{out}: {len(rows) - len(away)} train, {count} {held}"]
    if chosen.lost:
        lost = ", ".join(chosen.lost)
        lines.append(f"left out, {len(away) - count} clips of glosses that train would lack: {lost}")
    for line in lines:
        errors.print(line, highlight=False, soft_wrap=True)
