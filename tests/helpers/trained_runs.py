"""Folders of tiny finished trainings, made once a test session by the command line."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from helpers import tiny_configs
from twinsign.cli.main import main


@dataclass(frozen=True)
class Trained:
    """A pack, a recipe file, and the RUNs that the commands made of them."""

    folder: Path

    @property
    def pack(self) -> Path:
        """40 generated clips of 4 glosses."""
        return self.folder / "P"

    @property
    def recipe(self) -> Path:
        """The tiny recipe."""
        return self.folder / "tiny.yaml"

    @property
    def pretrained(self) -> Path:
        """RUN of pretrain."""
        return self.folder / "pretrained"

    @property
    def finetuned(self) -> Path:
        """RUN of finetune, from `pretrained`."""
        return self.folder / "finetuned"

    @property
    def linear(self) -> Path:
        """RUN of linear, from `pretrained`."""
        return self.folder / "linear"

    def pretrain(self, out: Path, *options: str) -> int:
        """The command, into another folder."""
        return main(["pretrain", "--config", str(self.recipe), "--data", str(self.pack), "--out", str(out), *options])

    def classify(self, command: str, out: Path, *options: str, init: str | Path | None = None) -> int:
        """`finetune` or `linear` from `init` (none given: from `pretrained`)."""
        start = str(self.pretrained if init is None else init)
        common = ["--config", str(self.recipe), "--data", str(self.pack), "--init", start, "--out", str(out)]
        return main([command, *common, *options])


def train_all(folder: Path) -> Trained:
    """Pack, pre-train, fine-tune and linear; every command must succeed."""
    made = Trained(folder)
    tiny_configs.write_recipe(folder)
    assert main(["pack", "synthetic", "--out", str(made.pack), *tiny_configs.CORPUS]) == 0
    assert made.pretrain(made.pretrained) == 0
    assert made.classify("finetune", made.finetuned, "--json", str(folder / "finetuned.json")) == 0
    assert made.classify("linear", made.linear, "--json", str(folder / "linear.json")) == 0
    return made


def copy_essentials(run: Path, to: Path) -> Path:
    """Weights, config and labels alone, elsewhere."""
    to.mkdir()
    for name in ("weights.safetensors", "config.yaml", "labels.json"):
        if (run / name).is_file():
            shutil.copy(run / name, to / name)
    return to
