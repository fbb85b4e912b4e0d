"""The commands that share a RUN (docs/sharing.md): its model card, pushing to and pulling from a Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twinsign.cli.console import OK, console, errors
from twinsign.errors import InputError
from twinsign.extract.extras import version_of
from twinsign.files import write_text
from twinsign.hub.bundle import CARD, checked
from twinsign.runs.run import Run


def card(
    run: Path,
    report: list[str],
    language: list[str],
    overwrite: bool,
    license: str = "other",
    repo: str = "OWNER/NAME",
) -> int:
    """Write a RUN's README.md: a model card from its own files and the reports of its evaluations.

    Args:
        license: The weights' licence, by the Hub's identifier; `other`: what the training data's terms allow.
        repo: The repository that the card's examples name.
    """
    _need_hub()
    from twinsign.hub.card import CardMetadata

    told = CardMetadata(license, language, repo)
    _write_card(checked(run), [Path(one) for one in report], told, overwrite)
    return OK


def push(run: Path, private: bool, repo: str) -> int:
    """Put a RUN's weights, config, labels, card and reports into a model repository of a Hugging Face Hub.

    Args:
        repo: OWNER/NAME; made where there is none. A card is written where the RUN has none.
    """
    _need_hub()
    from twinsign.hub.card import CardMetadata
    from twinsign.hub.client import push as send

    made = checked(run)
    if not (run / CARD).is_file():
        _write_card(made, [], CardMetadata(repo=repo), False)
    for line in told_away(made):
        errors.print(f"note: {line}", markup=False)
    done = send(run, repo, private=private)
    console.print(f"{done.repo}: {', '.join(done.files)}\n{done.url}", markup=False)
    return OK


def pull(repository: str, out: Path, revision: str | None = None) -> int:
    """Fetch a RUN that `push` put into a model repository; nothing of it is run, and it is there whole or not at all.

    Args:
        out: The new RUN folder.
        revision: A branch, tag or commit instead of the newest.
    """
    _need_hub()
    from twinsign.hub.client import pull as fetch

    done = fetch(repository, out, revision)
    console.print(f"{out}: {', '.join(done.files)} (commit {done.commit})", markup=False)
    if done.left:
        errors.print(
            f"note: left there, as no file of a run or not to be trusted: {', '.join(done.left)}", markup=False
        )
    return OK


def told_away(run: Run) -> list[str]:
    """What a push gives away beside the model, to be looked at before: paths and clips' ids."""
    paths: list[Any] = [*run.about.get("data", []), run.about.get("init")]
    local = sorted({str(path) for path in paths if path and "/" in str(path)})
    return [f"config.yaml and the reports name paths of this machine: {', '.join(local)}"] if local else []


def _write_card(run: Run, reports: list[Path], told: Any, overwrite: bool) -> None:
    from twinsign.hub.card import missing, model_card
    from twinsign.hub.facts import reports_of

    file = run.path / CARD
    if file.exists() and not overwrite:
        raise InputError("a README.md already", "none, or --overwrite", file=file)
    found = reports_of(run, reports)
    write_text(file, model_card(run, found, told))
    console.print(f"{file}: {len(found)} reports", markup=False)
    errors.print(f"note: not known, and said so in it: {'; '.join(missing(run, found, told))}", markup=False)


def _need_hub() -> None:
    version_of("huggingface_hub", "hub")
