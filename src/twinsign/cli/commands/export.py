"""The commands that hand a RUN to other tools: features as a table, the model as a file, sharing on a Hub.

Sharing is described in docs/sharing.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twinsign.cli.console import console, parse_splits, print_note, progress_bar, save_report
from twinsign.cli.options import Flag, OptionalWords, Positional, Words
from twinsign.errors import InputError
from twinsign.extract.extras import version_of
from twinsign.files import write_text
from twinsign.lazy import quick_imports
from twinsign.runs.shipped import ENCODER


def embed(
    data: Words,
    where: OptionalWords,
    branches: OptionalWords,
    parts: OptionalWords,
    out: Path,
    model: Path = ENCODER,
    split: str = "all",
    json: Path | None = None,
    cluster: str | None = None,
) -> None:
    """Write the features of a pack's clips as a Parquet table, one row per clip.

    Args:
        out: Parquet file to write.
        json: JSON file to write the table's description to.
    """
    with quick_imports():
        from twinsign.inference.embedder import FeatureChoice
        from twinsign.inference.embeddings import write_embeddings
        from twinsign.pack.locate import is_url
        from twinsign.pack.open import Pack
        from twinsign.runs.run import load_run

    run, pack = load_run(model), Pack(data)
    rows = pack.select(parse_splits(split), where)
    if out.exists() and any(not is_url(str(path)) and out.samefile(path) for path in pack.paths):
        raise InputError("the pack itself", "another file to write", file=out)
    with progress_bar("embedding", len(rows), run.recipe.trainer.progress) as update:
        choice = FeatureChoice(branches, parts)
        table = write_embeddings(out, run, pack, rows, choice, lambda clips: update(advance=clips), cluster)
    vectors = [name for name, kind in table["columns"].items() if kind.startswith("fixed_size_list")]
    console.print(f"{out}: {table['clips']} clips, {', '.join(vectors)}")
    save_report({**table, "where": where, "split": parse_splits(split)}, json)


def export(model: Path, out: Path) -> None:
    """Write a RUN as one ONNX or torch.export file with its preprocessing inside, and compare it with the RUN.

    Args:
        model: RUN of any kind; of a pre-trained one the encoders alone.
        out: File to write: .onnx, or .pt2 for torch.export.load.
    """
    from twinsign.inference.export import export_run

    differences = export_run(model, out)
    listed = ", ".join(f"{name} {value:.1e}" for name, value in differences.items() if name != "has_hand")
    console.print(f"{out}: largest difference from the RUN on generated signs: {listed}")


def card(
    run: Positional[Path],
    report: OptionalWords,
    language: OptionalWords,
    overwrite: Flag,
    license: str = "other",
    repo: str = "OWNER/NAME",
) -> None:
    """Write a RUN's README.md: a model card from its own files and the reports of its evaluations.

    Args:
        run: Finished RUN of any kind.
        report: Reports of `evaluate --json`, beside those in the RUN's `evaluations`.
        language: ISO 639 codes of the sign languages, such as ase, which no RUN records.
        overwrite: Replace an existing README.md.
        license: The weights' licence, by the Hub's identifier; `other`: what the training data's terms allow.
        repo: Repository for the card's examples.
    """
    version_of("huggingface_hub", "hub")
    from twinsign.hub.bundle import load_checked_run
    from twinsign.hub.card import CardMetadata

    _write_card(
        load_checked_run(run), [Path(file) for file in report], CardMetadata(license, language, repo), overwrite
    )


def push(run: Positional[Path], private: Flag, repo: str) -> None:
    """Upload a RUN's weights, config, labels, card and reports to a model repository of a Hugging Face Hub.

    Args:
        run: Finished RUN of any kind.
        private: Create the repository as a private one; an existing public one is refused.
        repo: OWNER/NAME, created if missing. A card is written where the RUN has none.
    """
    version_of("huggingface_hub", "hub")
    from twinsign.hub.bundle import CARD, load_checked_run
    from twinsign.hub.card import CardMetadata
    from twinsign.hub.client import push as upload

    bundle = load_checked_run(run)
    if not (run / CARD).is_file():
        _write_card(bundle, [], CardMetadata(repo=repo), False)
    paths: list[Any] = [*bundle.about.get("data", []), bundle.about.get("init")]
    if local := sorted({str(path) for path in paths if path and "/" in str(path)}):
        print_note(f"config.yaml and the reports name paths of this machine: {', '.join(local)}")
    pushed = upload(run, repo, private=private)
    console.print(f"{pushed.repo}: {', '.join(pushed.files)}\n{pushed.url}")


def pull(repository: Positional[str], out: Path, revision: str | None = None) -> None:
    """Download a RUN that `push` uploaded, whole or not at all; no code from the repository is run.

    Args:
        repository: OWNER/NAME of a model repository.
        out: Folder of the new RUN.
        revision: Branch, tag or commit. Default: the newest.
    """
    version_of("huggingface_hub", "hub")
    from twinsign.hub.client import pull as download

    pulled = download(repository, out, revision)
    console.print(f"{out}: {', '.join(pulled.files)} (commit {pulled.commit})")
    if pulled.left:
        print_note(f"left there, as no file of a run or not to be trusted: {', '.join(pulled.left)}")


def _write_card(run: Any, files: list[Path], metadata: Any, overwrite: bool) -> None:
    """Write the model card of a RUN with the reports in these files; InputError where there is one already."""
    from twinsign.hub.bundle import CARD
    from twinsign.hub.card import missing, model_card
    from twinsign.hub.facts import load_reports

    file = run.path / CARD
    if run.shipped:
        hint = "docs/models.md is its card; for one of your own, copy the folder."
        raise InputError("a shipped model, into which nothing is written", "a RUN of yours", file=run.path, hint=hint)
    if file.exists() and not overwrite:
        raise InputError("a README.md already", "none, or --overwrite", file=file)
    reports = load_reports(run, files)
    write_text(file, model_card(run, reports, metadata))
    console.print(f"{file}: {len(reports)} reports")
    print_note(f"missing from the card, which says so: {'; '.join(missing(run, reports, metadata))}")
