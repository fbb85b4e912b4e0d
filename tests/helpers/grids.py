"""A tiny grid of experiments on generated signs, run by the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers import tiny_configs
from twinsign.cli.main import main
from twinsign.pack.open import Pack

SWEEP = """\
title: A sweep
reference: as it is
protocol: linear
rows:
  - {name: no pre-training, init: none, x: 0}
  - {name: another method, cited: true, paper: {MSASL100: [50.0, null]}}
  - {name: half of the clips, change: {pretrain: {fraction: 0.5}}, x: 50}
  - {name: joint alone, head: {branches: [joint]}, against: no pre-training}
  - {name: as it is, x: 100, paper: {MSASL100: [86.26, 86.63]}}
  - {name: with RGB, with_rgb: true}
picture: {kind: curve, x: share (%)}
"""


@dataclass(frozen=True)
class Sweep:
    """A folder with a pack, a recipe, an experiment of one's own, another model's scores, and a grid."""

    folder: Path

    @property
    def out(self) -> Path:
        """The grid."""
        return self.folder / "grid"

    def words(self, *options: str, experiment: str | None = None, out: Path | None = None) -> list[str]:
        """The command's words."""
        given = ["reproduce", experiment or str(self.folder / "sweep.yaml"), "--config", str(self.folder / "tiny.yaml")]
        given += ["--data", str(self.folder / "P"), "--out", str(out or self.out), "--seeds", "0", "1"]
        return [*given, "--pretrain.epochs", "1", "--pretrain.monitor_every", "0", *options]

    def rgb(self) -> Path:
        """Scores of another model that knows every test clip's sign."""
        file, pack = self.folder / "rgb.csv", Pack(self.folder / "P")
        rows = pack.select(["test"])
        glosses = sorted({one for one in pack.column("gloss") if one})
        lines = ["id,gloss," + ",".join(glosses)]
        for row in rows.tolist():
            gloss = pack.table["gloss"][row].as_py()
            lines.append(
                f"{pack.table['id'][row].as_py()},{gloss}," + ",".join(str(9.0 * (gloss == one)) for one in glosses)
            )
        file.write_text("\n".join(lines))
        return file


def make(folder: Path) -> Sweep:
    """The grid of SWEEP, run by the command."""
    made = Sweep(folder)
    tiny_configs.write_recipe(made.folder)
    (made.folder / "sweep.yaml").write_text(SWEEP)
    assert main(["pack", "synthetic", "--out", str(made.folder / "P"), *tiny_configs.CORPUS]) == 0
    assert main(made.words("--rgb", str(made.rgb()))) == 0
    return made


def stamps(folder: Path) -> dict[str, int]:
    """When each RUN's weights and each cell's report were written."""
    files = [*folder.glob("runs/*/weights.safetensors"), *folder.glob("cells/*.json")]
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in files}


def top1(scores: np.ndarray, labels: np.ndarray) -> float:  # type: ignore[type-arg]
    """Share of clips whose own class scores above every other, in percent, the slow way."""
    right = [
        all(row[label] > row[c] for c in range(len(row)) if c != label)
        for row, label in zip(scores, labels, strict=True)
    ]
    return 100 * sum(right) / len(right)
