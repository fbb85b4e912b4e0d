"""The commands that hand a RUN's work to other tools: features as a table, the model as one file."""

from __future__ import annotations

from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from twinsign.cli.console import OK, console, errors, parse_splits
from twinsign.errors import InputError
from twinsign.files import write_json
from twinsign.inference.embeddings import Choice, write_embeddings
from twinsign.inference.export import export_run
from twinsign.pack.locate import is_url
from twinsign.pack.open import Pack
from twinsign.runs.run import load_run


def embed(
    model: Path,
    data: list[str],
    where: list[str],
    branches: list[str],
    parts: list[str],
    out: Path,
    split: str = "all",
    json: Path | None = None,
    cluster: str | None = None,
) -> int:
    """Write the features of a pack's clips as a Parquet table, a row a clip.

    Args:
        model: RUN of any kind.
        out: The Parquet file to write.
        split: One split, several joined by commas, or `all`.
        json: Where to write what was embedded, of what and by what.
        cluster: A Ray cluster that embeds: local, auto or ray://HOST:PORT (docs/scaling.md).
    """
    run, pack = load_run(model), Pack(data)
    rows = pack.select(parse_splits(split), where)
    if out.exists() and any(not is_url(str(path)) and out.samefile(path) for path in pack.paths):
        raise InputError("the pack itself", "another file to write", file=out)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not run.recipe.trainer.progress) as progress:
        bar = progress.add_task("embedding", total=len(rows))
        chosen = Choice(branches, parts)
        note = write_embeddings(out, run, pack, rows, chosen, lambda n: progress.advance(bar, n), cluster)
    vectors = [name for name, kind in note["columns"].items() if kind.startswith("fixed_size_list")]
    console.print(f"{out}: {note['clips']} clips, {', '.join(vectors)}", markup=False)
    if json:
        write_json(json, {**note, "where": where, "split": parse_splits(split)})
    return OK


def export(model: Path, out: Path) -> int:
    """Write a RUN as one file with reading, crop and view inside, and compare it with the RUN.

    Args:
        model: RUN of any kind; of a pre-trained one the encoders alone.
        out: The file to write: .onnx, or .pt2 for torch.export.load.
    """
    found = export_run(model, out)
    said = ", ".join(f"{name} {value:.1e}" for name, value in found.items() if name != "has_hand")
    console.print(f"{out}: largest difference from the RUN on generated signs: {said}", markup=False)
    return OK
