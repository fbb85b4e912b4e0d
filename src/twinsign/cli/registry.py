"""The commands there are: the function of each, by name, and what its words mean.

By name, so that a command loads what it needs alone: the trainer takes seconds, `predict` has no use for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

SINGLE = {"checkpoint": Path, "pack": Path, "run": Path, "repository": str, "experiment": str}
"""Words that stand once, without a name, and what they are; those of POSITIONAL stand once or oftener."""
POSITIONAL = ("files", "packs", "scores", "videos")
FLAGS = ("json", "common", "strict", "trim", "private", "overwrite", "unknown", "stream", "insecure")
NEEDED = ("data", "annotations")
"""Words that must be there, but for a command's `optional`."""


@dataclass(frozen=True)
class Command:
    """A function, which of its parameters take several words or stand alone, and which are groups of options."""

    name: str
    """MODULE.FUNCTION of cli.commands."""
    words: tuple[str, ...] = ()
    recipe: bool = False
    groups: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    """Of `words`, those that may be absent where they mostly must be there."""

    @property
    def run(self) -> Callable[..., int]:
        """The function, whose module is loaded now if it never was."""
        return load_attribute(f"cli.commands.{self.name}")  # type: ignore[no-any-return]


def load_attribute(name: str) -> Any:
    """What stands in a module of this package under MODULE.NAME."""
    module, _, own = name.rpartition(".")
    return getattr(import_module(f"twinsign.{module}"), own)


GROUPS = {"source": "datasets.matching.Source", "options": "pack.write.PackOptions"}
"""Parameters whose fields are options, and the dataclass of each, by name."""
CORPUS = ("source", "options")
ENROL = ("files", "data", "where", "delete", "strict")
WORDS = {
    "data": "Packs: files, quoted globs, folders of shards, URLs that fsspec opens (s3://…).",
    "annotations": "The corpus's annotation files, or their folder.",
    "where": "Only rows for which COLUMN=VALUE holds.",
    "keep_out": "Packs whose val and test clips stay out, by id and by identical poses.",
    "branches": "Branches to look at: joint, motion; all that the RUN has unless told.",
    "parts": "Parts to look at: hand, trunk; all that the RUN uses unless told.",
    "strict": "Refuse clips unlike those that the RUN learnt from, instead of warning.",
    "stream": "Ask of each clip what the live segmenter hands on of it, frame by frame, as before a camera.",
    "unknown": "Ask clips of glosses that the model does not know, too: how often is it sure?",
    "files": "Pose files or videos.",
    "delete": "Ids, and glosses with all of their recordings, to take out of the dictionary.",
    "videos": "Videos, or folders of them; of several persons in a picture Holistic takes one.",
    "trim": "Leave out frames at both ends in which the hands are out of sight, or lowered and still.",
    "packs": "Packs.",
    "json": "One JSON line a file instead of words.",
    "names": "Names, besides localhost and --host, under which the server may be asked for; others are refused.",
    "insecure": "Serve others than this machine without a token.",
    "proxies": "Addresses of reverse proxies, whose X-Forwarded-For is believed.",
    "scores": "Score files (evaluate --scores), or another model's NPZ or CSV with the clips' ids.",
    "against": "Score files of B, where each side has several seeds; the files before it are then A's.",
    "weights": "A weight a file, 1 each unless told: of its scores, or how often an epoch shows its clips.",
    "temperatures": "Divide each file's logits before the softmax; 1 each unless told.",
    "tune": "Score files of val, in the same order, that choose temperatures and weights.",
    "common": "Take the clips that all files have, where their sets differ.",
    "glosses": "Glosses to colour.",
    "kinds": "Kinds of damage: noise, joints, hands, frames, rate, rotation, mirror, swap; all unless told.",
    "run": "A finished RUN of any kind.",
    "repository": "OWNER/NAME of a model repository.",
    "private": "Make the repository a private one; a public one that exists is refused.",
    "overwrite": "Replace a README.md that is there.",
    "report": "Reports of `evaluate --json` beside those that the RUN keeps in `evaluations`.",
    "language": "ISO 639 codes of the sign languages, such as ase: no RUN records them.",
    "pack": "A pack.",
    "experiment": "table1 … table11, fig3 … fig6, or a YAML file of that form.",
    "pretrain_on": "Packs to pre-train on; those of --data unless told. Their val and test clips stay out.",
    "subsets": "Columns to fill: COLUMN=VALUE, several joined by commas, or `all`.",
    "seeds": "Seeds, each with its own pre-training; 0 unless told.",
    "rgb": "Another model's score files for the rows (+R): COLUMN=FILE.",
    "checkpoint": "A .pth.tar of the authors' released code, of pre-training or of a classifier.",
}
COMMANDS: dict[str, Command | dict[str, Command]] = {
    "demo": Command("demo.demo"),
    "pack": {
        "landmarks": Command("pack.pack_landmarks", groups=("options",)),
        "set": Command("pack.pack_set", groups=("options",)),
        "folder": Command("pack.pack_folder", groups=("options",)),
        "synthetic": Command("pack.pack_synthetic", groups=("options",)),
        "wlasl": Command("pack_datasets.pack_wlasl", ("annotations",), groups=CORPUS),
        "msasl": Command("pack_datasets.pack_msasl", ("annotations",), groups=CORPUS),
        "slr500": Command("pack_datasets.pack_slr500", ("annotations",), groups=CORPUS),
        "nmfs_csl": Command("pack_datasets.pack_nmfs_csl", ("annotations",), groups=CORPUS),
        "autsl": Command("pack_datasets.pack_autsl", ("annotations",), groups=CORPUS),
        "lsa64": Command("pack_datasets.pack_lsa64", ("annotations",), groups=CORPUS, optional=("annotations",)),
        "include": Command("pack_datasets.pack_include", ("annotations",), groups=CORPUS),
        "asl_citizen": Command("pack_datasets.pack_asl_citizen", ("annotations",), groups=CORPUS),
        "semlex": Command("pack_datasets.pack_semlex", ("annotations",), groups=CORPUS),
    },
    "doctor": Command("doctor.doctor", ("packs",)),
    "fold": Command("fold.fold", ("pack", "where")),
    "pretrain": Command("train.pretrain", ("data", "where", "keep_out", "weights"), recipe=True),
    "finetune": Command("train.finetune", ("data", "where", "strict"), recipe=True),
    "linear": Command("train.linear", ("data", "where", "strict"), recipe=True),
    "evaluate": Command("evaluate.evaluate", ("data", "where", "strict", "unknown", "stream")),
    "calibrate": Command("evaluate.calibrate", ("data", "where", "strict")),
    "knn": Command("probes.knn", ("data", "where", "strict", "branches", "parts"), recipe=True),
    "reproduce": Command(
        "reproduce.reproduce", ("experiment", "data", "pretrain_on", "subsets", "seeds", "rgb"), recipe=True
    ),
    "retrieve": Command("probes.retrieve", ("data", "where")),
    "fuse": Command("compare.fuse", ("scores", "weights", "temperatures", "tune", "common")),
    "compare": Command("compare.compare", ("scores", "against", "common")),
    "robustness": Command("probes.robustness", ("data", "where", "kinds")),
    "map": Command("draw.map_clips", ("data", "where", "glosses")),
    "view": Command("draw.view", ("pack",), recipe=True),
    "predict": Command("predict.predict", ("files", "json", "strict"), optional=("files",)),
    "enrol": Command("dictionary.enrol", ENROL, optional=("files", "data")),
    "search": Command("dictionary.search", ("files", "json", "strict")),
    "extract": Command("extract.extract", ("videos", "trim")),
    "serve": Command("serve.serve", ("names", "proxies", "insecure")),
    "convert": Command("train.convert", ("checkpoint",)),
    "bench": Command("bench.bench", ("data",), recipe=True, optional=("data",)),
    "embed": Command("export.embed", ("data", "where", "branches", "parts")),
    "export": Command("export.export"),
    "card": Command("share.card", ("run", "report", "language", "overwrite")),
    "push": Command("share.push", ("run", "private")),
    "pull": Command("share.pull", ("repository",)),
}
