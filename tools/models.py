"""Train, calibrate and measure the models that come with the package, and put them into it: `make models`, hours.

Reads the pose sets of $TWINSIGN_DATA, keeps packs and RUNs in --work, and goes on where it stopped. Nothing but the
weights, the configs, hashes of the training clips and the figures goes into the package. What each step is for, and
what came of it, is in docs/models.md. `--rehearse` makes every step with hardly any training, to see that all of them
work: what it makes is of no use, so it asks for --shipped, a folder outside the package.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from safetensors.torch import load_file, save, save_file

from twinsign.annotation.segmenter import SEGMENTER
from twinsign.cli.main import main as twinsign
from twinsign.evaluation.metrics import true_class_ranks
from twinsign.evaluation.score_files import align_scores, read_scores
from twinsign.files import write_bytes
from twinsign.nn.whitening import WHITENING
from twinsign.pack.open import Pack
from twinsign.pack.same_signs import glosses_by_poses
from twinsign.pack.subset import write_subset
from twinsign.runs.quantise import SCALE, quantised
from twinsign.runs.run import CONFIG, LABELS, WEIGHTS, load_run
from twinsign.runs.shipped import CARD
from twinsign.runs.training_clips import TRAINING_CLIPS

ROOT = Path(__file__).resolve().parents[1]
SHIPPED, BENCHMARKS = ROOT / "src" / "twinsign" / "runs" / "shipped", ROOT / "benchmarks"
SURE = ("clips", "threshold", "answered", "known_answered", "right_of_answered", "expected", "right_if_expected")
"""What a card says of sure answers; in percent but for clips and threshold."""
FEW = {"encoder": "pre-trained", "by": "prototype", "shots": 5}
"""Which figure of benchmarks/few_shot.py a card has."""
LICENCE = (
    "academic and computational use, not commercial: LICENSE.weights beside the models. "
    "The code's licence, Apache-2.0, does not cover them."
)
HANDS_ONLY = ("wlasl300", "wlasl_more", "wlasl_train")
WLASL = (*HANDS_ONLY, "wlasl_body")
"""Packs of labelled American signs: glosses 0-299, others' val and train clips, others' train clips, with bodies."""
UNLABELLED = {"webcam": 0.25, "webcam2": 0.4, "signdict3k": 1.0, "spelling19": 1.0, "aslwords": 1.0}
"""Further packs of the encoder, and how often an epoch shows their clips: webcams repeat one take dozens of times."""
HELD_OUT_GROUPS = 3
"""Every third recording group of webcam2 is kept out, to judge by people that no model has seen."""
ENCODER = ["--config", "small", "--pretrain.steps", "5000", "--pretrain.monitor_every", "0"]
WLASL_WEIGHT = 2
"""How often an epoch of the encoder shows WLASL's clips."""
LARGE = ["--finetune.batch_size", "64"]
"""Of trainings on 2,000 signs."""
FURTHER = [*LARGE, "--finetune.epochs", "12", "--finetune.optimiser.lr", "0.0005"]
ALL_BRANCHES = ["--finetune.head.branches", "[joint,motion]", "--finetune.head.embed", "[joint]"]


class Kind(NamedTuple):
    """How a kind of network is trained: on 2,000 signs, on from there, and then on 300 signs."""

    config: list[str]
    first: list[str]
    """Of the first training on 2,000 signs, which starts from `init`."""
    init: str
    own: list[str]
    """Of trainings on 300 signs, from the mean of those on 2,000."""
    trainings: int
    """How many there are of these, by the seeds from the first one on."""


KINDS = {
    "conv_gru": Kind(
        ["--config", "conv_gru", *ALL_BRANCHES],
        [*LARGE, "--finetune.epochs", "60"],
        "none",
        ["--finetune.epochs", "16", "--finetune.optimiser.lr", "0.0003"],
        4,
    ),
    "small": Kind(
        ["--config", "small"],
        [*LARGE, "--finetune.epochs", "30"],
        "encoder",
        ["--finetune.epochs", "14", "--finetune.optimiser.lr", "0.0003"],
        2,
    ),
}
"""The two kinds of networks that make a recogniser together: hand-made features, and what pre-training learnt."""
CONTINUATIONS = 2
"""Trainings that go on from the first on 2,000 signs, by the seeds after its own; the mean of all is taken."""
AT_MEANS = ["--finetune.head.start", "means"]
REHEARSED = {"pretrain": ["--pretrain.steps", "4"], "finetune": ["--finetune.epochs", "1"]}
"""What each training is given at last in a rehearsal."""


def run(*words: str | Path) -> None:
    """Run a command of twinsign in this process; SystemExit where it fails."""
    print("$ twinsign", *words, flush=True)
    code = twinsign([str(word) for word in words])
    if code:
        raise SystemExit(code)


def rewritten(source: Path, folder: Path, table: Path, change: Any) -> Path:
    """A copy of a pose set whose rows `change` has seen; the poses are linked, not copied."""
    folder.mkdir(parents=True, exist_ok=True)
    poses = folder / source.name
    if not poses.exists():
        poses.symlink_to(source.resolve())
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)
    with poses.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return poses


def pack_all(data: Path, work: Path) -> dict[str, Path]:
    """The packs, by name, made where they are missing."""

    def outside_wlasl(row: dict[str, str]) -> None:
        row["split"] = "test" if row["wlasl_like"] not in ("", "0") else "train"

    def some_groups(row: dict[str, str]) -> None:
        row["split"] = "test" if int(row["recording_group"]) % HELD_OUT_GROUPS == 0 else "train"

    def known_alone(row: dict[str, str]) -> None:
        row["gloss"] = row["gloss"] if row["gloss"] in known else ""

    def unchanged(row: dict[str, str]) -> None:
        pass

    sets, labelled, body = work / "sets", data / "wlasl_unlabelled_hands.labelled.csv", data / "wlasl_body_hands"
    with (data / "wlasl300_hands.csv").open(newline="", encoding="utf-8") as file:
        known = {row["gloss"] for row in csv.DictReader(file)}
    sources = {
        "wlasl300": (data / "wlasl300_hands.npz", "wlasl"),
        "wlasl_more": (data / "wlasl2000_more_hands.npz", "wlasl"),
        "wlasl_train": (rewritten(data / "wlasl_unlabelled_hands.npz", sets, labelled, unchanged), "wlasl"),
        "wlasl_body": (body.with_suffix(".npz"), "wlasl"),
        "wlasl_body300": (
            rewritten(body.with_suffix(".npz"), work / "sets300", body.with_suffix(".csv"), known_alone),
            "wlasl",
        ),
        "webcam": (data / "webcam.npz", "webcam"),
        "webcam2": (rewritten(data / "webcam2.npz", sets, data / "webcam2.csv", some_groups), "webcam2"),
        "signdict3k": (data / "signdict3k.npz", "signdict3k"),
        "spelling19": (data / "spelling19.npz", "spelling19"),
        "aslwords": (rewritten(data / "aslwords.npz", sets, data / "aslwords.csv", outside_wlasl), "aslwords"),
    }
    packs = {name: work / "packs" / name for name in sources}
    for name, (source, dataset) in sources.items():
        if not packs[name].exists():
            run("pack", "landmarks", "--data", source, "--dataset", dataset, "--out", packs[name])
    return packs


def without_copies(packs: dict[str, Path]) -> dict[str, Path]:
    """The labelled packs without train clips whose poses are those of a val or test clip of any of them.

    WLASL has some clips twice, in two splits, often under two glosses: such a copy teaches what the other is tested on,
    or teaches it wrongly.
    """
    opened = {name: Pack(str(packs[name])) for name in (*WLASL, "wlasl_body300")}
    held, cleaned = held_poses(packs), {}
    for name, pack in opened.items():
        cleaned[name] = packs[name].with_name(f"{name}_without_copies")
        copies = np.isin(pack.pose_hashes(np.arange(len(pack))), [*held]) & (np.asarray(pack.splits) == "train")
        if not cleaned[name].exists():
            write_subset(
                pack, ~copies, cleaned[name], {"left_out": f"{copies.sum()} train copies of val and test clips"}
            )
    return cleaned


def held_poses(packs: dict[str, Path]) -> set[str]:
    """Hashes of the poses of all val and test clips of WLASL."""
    held: set[str] = set()
    for name in WLASL:
        pack = Pack(str(packs[name]))
        held |= {*pack.pose_hashes(np.flatnonzero(np.isin(pack.splits, ["val", "test"])))}
    return held


def same_signs(packs: dict[str, Path], splits: tuple[str, ...] = ("train",)) -> dict[str, str]:
    """To each gloss outside WLASL-300 that shares recordings with one inside: that one, or nothing where with several.

    WLASL's sources show one recording under each English word that the sign stands for ("doctor", "physician").
    """
    glosses: dict[str, set[str]] = {}
    for name in HANDS_ONLY:
        pack = Pack(str(packs[name]))
        rows = np.flatnonzero(np.isin(pack.splits, splits))
        for poses, named in glosses_by_poses(pack, rows).items():
            glosses.setdefault(poses, set()).update(named)
    known = {*Pack(str(packs["wlasl300"])).table["gloss"].to_pylist()}
    counts: dict[str, Counter[str]] = {}
    for shared in glosses.values():
        for gloss in shared - known:
            counts.setdefault(gloss, Counter()).update(shared & known)
    found = {}
    for gloss, of in counts.items():
        likeliest = [name for name, count in of.items() if count == max(of.values())]
        if likeliest:
            found[gloss] = likeliest[0] if len(likeliest) == 1 else ""
    return found


def pack_synonyms(data: Path, work: Path, packs: dict[str, Path]) -> list[Path]:
    """Packs of train clips of glosses that are one sign with one of WLASL-300's, under its gloss; without copies."""
    same, made = same_signs(packs), []

    def under_its_gloss(row: dict[str, str]) -> None:
        row["gloss"] = same.get(row["gloss"], "") if row["split"] == "train" else ""

    tables = {
        "wlasl_more": ("wlasl2000_more_hands.npz", "wlasl2000_more_hands.csv"),
        "wlasl_train": ("wlasl_unlabelled_hands.npz", "wlasl_unlabelled_hands.labelled.csv"),
    }
    for name, (source, table) in tables.items():
        whole, clean = work / "packs" / f"{name}_synonyms", work / "packs" / f"{name}_synonyms_without_copies"
        if not whole.exists():
            poses = rewritten(data / source, work / "sets_synonyms", data / table, under_its_gloss)
            run("pack", "landmarks", "--data", poses, "--dataset", "wlasl", "--out", whole)
        if not clean.exists():
            pack = Pack(str(whole))
            kept = np.asarray([bool(gloss) for gloss in pack.table["gloss"].to_pylist()])
            kept &= ~np.isin(pack.pose_hashes(np.arange(len(pack))), [*held_poses(packs)])
            write_subset(pack, kept, clean, {"left_out": "other signs, and copies of val and test clips"})
        made.append(clean)
    return made


def other_signs(packs: dict[str, Path]) -> Path:
    """The pack of glosses 300 to 1999 without those that share a recording of any split with one of WLASL-300's."""
    made = packs["wlasl_more"].with_name("wlasl_other_signs")
    if not made.exists():
        pack, same = Pack(str(packs["wlasl_more"])), same_signs(packs, ("train", "val", "test"))
        kept = np.asarray([gloss not in same for gloss in pack.table["gloss"].to_pylist()])
        write_subset(pack, kept, made, {"left_out": "glosses that share a recording with one of WLASL-300's"})
    return made


def train_all(packs: dict[str, Path], synonyms: list[Path], work: Path, seed: int, rehearse: bool) -> dict[str, Path]:
    """The RUNs, by the models' names, trained where they are missing or unfinished."""
    short = {name: words if rehearse else [] for name, words in REHEARSED.items()}
    runs = {name: work / "runs" / name for name in ("encoder", "asl2000", "asl300")}
    wlasl = [packs[name] for name in WLASL]
    weights = [str(WLASL_WEIGHT)] * len(WLASL) + [str(weight) for weight in UNLABELLED.values()]
    everything = [*wlasl, *(packs[name] for name in UNLABELLED)]
    run(
        "pretrain",
        *ENCODER,
        "--data",
        *everything,
        "--weights",
        *weights,
        *short["pretrain"],
        "--seed",
        str(seed),
        "--out",
        runs["encoder"],
    )
    clean = without_copies(packs)
    data = {
        "asl2000": [clean[name] for name in WLASL],
        "asl300": [clean["wlasl300"], clean["wlasl_body300"], *synonyms],
    }
    least, members = short["finetune"], {"asl2000": list[Path](), "asl300": list[Path]()}
    for name, kind in KINDS.items():
        init = runs.get(kind.init, kind.init)
        first = trained(
            work, f"asl2000_{name}", data["asl2000"], range(seed, seed + 1), kind.config, init, [*kind.first, *least]
        )
        seeds, words = range(seed + 1, seed + 1 + (1 if rehearse else CONTINUATIONS)), [*FURTHER, *AT_MEANS, *least]
        further = trained(work, f"asl2000_{name}", data["asl2000"], seeds, kind.config, first[0], words)
        mean = mean_of([*first, *further], work / "runs" / f"asl2000_{name}")
        seeds, words = range(seed, seed + (2 if rehearse else kind.trainings)), [*kind.own, *AT_MEANS, *least]
        own = trained(work, f"asl300_{name}", data["asl300"], seeds, kind.config, mean, words)
        members["asl2000"].append(mean)
        members["asl300"].append(mean_of(own, work / "runs" / f"asl300_{name}"))
    for model, both in members.items():
        run("ensemble", *both, "--out", runs[model])
        store_in_eight_bits(runs[model])
    for name in ("asl2000", "asl300"):
        if not (runs[name] / SEGMENTER).exists():
            run("segmenter", "--model", runs[name], "--data", packs["wlasl300"])
    return runs


def trained(
    work: Path, name: str, data: list[Path], seeds: range, config: list[str], init: Path | str, words: list[str]
) -> list[Path]:
    """RUNs of finetune by these seeds, trained where they are missing or unfinished."""
    folders = [work / "runs" / f"{name}_seed{number}" for number in seeds]
    for number, folder in zip(seeds, folders, strict=True):
        how = [*config, *words, "--finetune.select", "last", "--seed", str(number)]
        run("finetune", *how, "--init", init, "--data", *data, "--out", folder)
    return folders


def mean_of(members: list[Path], out: Path) -> Path:
    """The mean of several trainings' weights."""
    run("average", *members, "--out", out)
    return out


def store_in_eight_bits(folder: Path) -> None:
    """Rewrite a RUN's weights in eight bits each: what is calibrated and measured is what is shipped."""
    tensors = load_file(folder / WEIGHTS)
    if not any(name.endswith(SCALE) for name in tensors):
        write_bytes(folder / WEIGHTS, save(quantised(tensors)))


def evaluated(model: Path, work: Path, name: str, data: list[Path], *more: str) -> dict[str, Any]:
    """The report of an evaluation, with top-10, made where it is missing."""
    report, scores = work / "reports" / f"{name}.json", work / "reports" / f"{name}.npz"
    report.parent.mkdir(exist_ok=True)
    if not report.exists():
        run("evaluate", "--model", model, "--data", *data, *more, "--json", report, "--scores", scores)
    values: dict[str, Any] = json.loads(report.read_text())
    (scored,) = align_scores([read_scores(scores)])
    values["top10"] = round(100 * float((true_class_ranks(scored) < 10).mean()), 1)
    return values


def accuracy(report: dict[str, Any], on: str) -> dict[str, Any]:
    """What a card says of an evaluation."""
    top = report["per_instance"]
    return {
        "on": on,
        "clips": report["clips"],
        "top1": top["top1"],
        "interval": report["interval95"]["per_instance.top1"],
        "top5": top["top5"],
        "top10": report["top10"],
        "per_class_top1": report["per_class"]["top1"],
    }


def ship(source: Path, folder: Path, facts: dict[str, Any]) -> None:
    """Put a RUN into the package: its weights, config, labels, hashes of its clips, facts.

    Of a pre-trained one the encoders alone, in sixteen bits; a classifier's weights are as they are.
    """
    found = load_run(source)
    tensors = found.weights()
    if found.kind == "pretrained":
        tensors = {key: value for key, value in tensors.items() if key.startswith(("encoders.", WHITENING))}
        stored = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
    else:
        stored = load_file(source / WEIGHTS)
    folder.mkdir(parents=True, exist_ok=True)
    lost = [key for key, value in stored.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if lost:
        raise SystemExit(f"{source}: {lost[0]} does not fit into float16")
    save_file(stored, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # safetensors lets nobody else read it
    config = yaml.safe_load((source / CONFIG).read_text())
    for about in (config["about"], *(config["about"].get(key, {}) for key in ("calibrated", "started_from"))):
        about["data"] = [Path(pack).name for pack in about.get("data", [])]
    if "init" in config["about"]:
        config["about"]["init"] = Path(config["about"]["init"]).name
    (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    for file in (LABELS, TRAINING_CLIPS, SEGMENTER):
        if (source / file).exists():
            shutil.copyfile(source / file, folder / file)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    made = {"seed": config["about"]["seed"], "commit": commit, "minutes": config["about"].get("minutes")}
    card = {**facts, "licence": LICENCE, "weights": sum(value.numel() for value in tensors.values()), "made": made}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n")


def measure_and_ship(packs: dict[str, Path], runs: dict[str, Path], work: Path, shipped: Path) -> None:
    """Calibrate on val clips, measure, and put the models into a folder with their figures.

    Clips of glosses 300 to 1999 are the unknown signs of asl300, but for those of glosses that share a recording with
    one that it knows, which are that sign under another word. asl2000 has stand-ins alone.
    """
    known, others, unknown = packs["wlasl300"], packs["wlasl_more"], other_signs(packs)
    for name, data in (("asl300", unknown), ("asl2000", others)):
        if "calibrated" not in load_run(runs[name]).about:
            run("calibrate", "--model", runs[name], "--data", known, data, "--unknown_share", "0.3333")
    with_unknown = ("--split", "val", "--unknown")
    reports = {
        "asl300_test": evaluated(runs["asl300"], work, "asl300_test", [known], "--split", "test"),
        "asl300": evaluated(runs["asl300"], work, "asl300_val_test", [known], "--split", "val,test"),
        "asl300_unknown": evaluated(runs["asl300"], work, "asl300_unknown", [known, unknown], *with_unknown),
        "asl2000": evaluated(runs["asl2000"], work, "asl2000_val", [known, others], *with_unknown),
    }
    few = work / "reports" / "encoder.json"
    if not few.exists():
        command = [sys.executable, BENCHMARKS / "few_shot.py", "--model", runs["encoder"], "--data", known]
        subprocess.run([*command, "--where", "wlasl100=0", "--draws", "10", "--json", few], check=True)
    sure = reports["asl300_unknown"]
    signs = len(load_run(runs["asl300"]).labels)
    rows = [(reports["asl300_test"], "test"), (reports["asl300"], "val and test")]
    facts: dict[str, Any] = {"what": f"names {signs:,} American signs", "signs": signs}
    facts["accuracy"] = [accuracy(report, f"{report['clips']:,} {split} clips (WLASL-300)") for report, split in rows]
    facts["sure"] = {"known": sure["clips"], **{key: sure["unknown"][key] for key in SURE}}
    ship(runs["asl300"], shipped / "asl300", facts)
    large, signs = reports["asl2000"], len(load_run(runs["asl2000"]).labels)
    val = accuracy(large, f"{large['clips']:,} val clips of {large['classes']:,} glosses (WLASL)")
    facts = {"what": f"names {signs:,} American signs", "signs": signs, "accuracy": [val]}
    ship(runs["asl2000"], shipped / "asl2000", facts)
    report = json.loads(few.read_text())
    found = next(row for row in report["few"] if FEW.items() <= row.items())
    on = f"{report['clips']} test clips of {report['glosses']} glosses, five recordings enrolled of each (WLASL)"
    unseen = {"on": on, "clips": report["clips"], "top1": found["top1"], "interval": found["top1_interval95"]}
    facts = {"what": "to fine-tune from; learnt without labels", "signs": 0, "accuracy": [unseen]}
    ship(runs["encoder"], shipped / "encoder", facts)


def main() -> None:
    """Pack, train, calibrate, measure, ship."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("TWINSIGN_DATA"), help="default: $TWINSIGN_DATA")
    parser.add_argument("--work", type=Path, default=Path("models"), help="folder of packs and RUNs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shipped", type=Path, default=SHIPPED, help="folder of the models; default: the package's")
    parser.add_argument("--rehearse", action="store_true", help="every step with hardly any training, into --shipped")
    arguments = parser.parse_args()
    if arguments.rehearse and arguments.shipped.resolve() == SHIPPED:
        raise SystemExit("--rehearse makes models of no use: name a folder for them by --shipped")
    if arguments.data is None:
        raise SystemExit("no data: set TWINSIGN_DATA, or name the folder of the pose sets by --data")
    data = arguments.data.resolve()
    packs = pack_all(data, arguments.work)
    synonyms = pack_synonyms(data, arguments.work, packs)
    runs = train_all(packs, synonyms, arguments.work, arguments.seed, arguments.rehearse)
    measure_and_ship(packs, runs, arguments.work, arguments.shipped)


if __name__ == "__main__":
    sys.exit(main())
