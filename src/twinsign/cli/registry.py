"""The commands: what users type, and which function of `cli.commands` runs it.

Functions are named, not imported, so that a command loads no other's modules.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

COMMANDS: dict[str, str | dict[str, str]] = {
    "demo": "demo.demo",
    "pack": {
        "landmarks": "pack.pack_landmarks",
        "set": "pack.pack_set",
        "folder": "pack.pack_folder",
        "elan": "pack.pack_elan",
        "synthetic": "pack.pack_synthetic",
        "wlasl": "pack_datasets.pack_wlasl",
        "msasl": "pack_datasets.pack_msasl",
        "slr500": "pack_datasets.pack_slr500",
        "nmfs_csl": "pack_datasets.pack_nmfs_csl",
        "autsl": "pack_datasets.pack_autsl",
        "lsa64": "pack_datasets.pack_lsa64",
        "include": "pack_datasets.pack_include",
        "asl_citizen": "pack_datasets.pack_asl_citizen",
        "semlex": "pack_datasets.pack_semlex",
    },
    "doctor": "doctor.doctor",
    "fold": "pack.fold",
    "pretrain": "train.pretrain_encoders",
    "finetune": "train.finetune_classifier",
    "linear": "train.train_linear",
    "average": "train.average_runs",
    "ensemble": "train.ensemble_runs",
    "evaluate": "evaluate.evaluate_classifier",
    "calibrate": "evaluate.calibrate",
    "knn": "evaluate.knn",
    "reproduce": "reproduce.reproduce",
    "retrieve": "evaluate.retrieve",
    "fuse": "compare.fuse",
    "compare": "compare.compare",
    "robustness": "compare.robustness",
    "map": "draw.map_clips",
    "view": "draw.view",
    "predict": "predict.predict",
    "models": "models.models",
    "enrol": "dictionary.enrol",
    "search": "dictionary.search",
    "annotate": "annotate.annotate",
    "segmenter": "spotting.segmenter",
    "spotting": "spotting.spotting",
    "extract": "extract.extract",
    "serve": "serve.serve",
    "web": "web.web",
    "convert": "train.convert",
    "bench": "bench.bench",
    "embed": "export.embed",
    "export": "export.export",
    "card": "export.card",
    "push": "export.push",
    "pull": "export.pull",
}


def load_command(name: str) -> Callable[..., int | None]:
    """Import and return the function MODULE.FUNCTION of `cli.commands`."""
    module, _, function = name.partition(".")
    command: Callable[..., int | None] = getattr(import_module(f"twinsign.cli.commands.{module}"), function)
    return command


@cache
def read_docstrings(module: str) -> dict[str, str]:
    """The docstrings of functions in a module of `cli.commands`, read from its source without importing it."""
    tree = ast.parse((Path(__file__).parent / "commands" / f"{module}.py").read_text(encoding="utf-8"))
    return {node.name: ast.get_docstring(node) or "" for node in tree.body if isinstance(node, ast.FunctionDef)}
