"""The model card of a RUN, a README.md as a Hugging Face Hub shows it, from the RUN's files and its reports alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, StrictUndefined

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.hub import facts
from twinsign.pack.open import dataset_of
from twinsign.runs.plain_yaml import recipe_values
from twinsign.runs.run import CONFIG, WEIGHTS, Run

TASK = "Isolated sign recognition from poses"
TAGS = ("sign-language", "isolated-sign-recognition", "pose")
UNTOLD = "other"
"""The Hub's word for a licence that is none of its list."""
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
"""Names that the Hub takes for a dataset's; generated signs have others."""
_LANGUAGE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True)
class CardMetadata:
    """What no RUN records and a person says: the weights' licence and the sign languages' ISO 639 codes (`ase`)."""

    license: str = UNTOLD
    """The weights' licence as the Hub spells it; `other`: that of the training data, whatever it is."""
    languages: list[str] = field(default_factory=list)
    """ISO 639 codes of the sign languages: ase, bfi, csl, …"""
    repo: str = "OWNER/NAME"
    """The repository in the card's examples."""

    def __post_init__(self) -> None:
        wrong = [one for one in self.languages if not _LANGUAGE.fullmatch(one)]
        if wrong:
            raise InputError(f"language {wrong[0]!r}", "ISO 639 codes of two or three letters, such as ase")
        if not re.fullmatch(r"[a-z0-9.-]+", self.license):
            raise InputError(f"licence {self.license!r}", "an identifier of the Hub, such as cc-by-4.0, or other")


def model_card(run: Run, reports: Sequence[facts.Report], told: CardMetadata) -> str:
    """README.md: front matter with the results on clips that chose nothing, and the text."""
    tags = [*TAGS, *(["self-supervised-learning"] if _starts(run) else [])]
    named = {dataset_of(dict(pack)) for pack in facts.packs_of(run)}
    datasets = sorted(name for name in named if _HUB_NAME.fullmatch(name))
    results = [result for report in reports if not report["selected_on"] for result in _results(report)]
    data = ModelCardData(
        license=told.license,
        license_name="that-of-the-training-data" if told.license == UNTOLD else None,
        language=told.languages or None,
        library_name="twinsign",
        tags=tags,
        datasets=datasets or None,
        metrics=["accuracy"] if results else None,
        eval_results=results or None,
        model_name=run.path.resolve().name,
    )
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["code"] = facts.code
    environment.filters["named"] = lambda config: Path(config).name  # nobody else has the folders of this machine
    template = environment.from_string(files(__package__).joinpath("card.md.j2").read_text(encoding="utf-8"))
    text = template.render(values(run, reports, told))
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}")).rstrip() + "\n"


def values(run: Run, reports: Sequence[facts.Report], told: CardMetadata) -> dict[str, Any]:
    """What the card's text is made of."""
    config, start = recipe_values(run.path / CONFIG), run.about.get("started_from")
    return {
        "run": run,
        "name": run.path.resolve().name,
        "told": told,
        "facts": facts,
        "reports": reports,
        "tested": [report for report in reports if not report["selected_on"]],
        "parameters": sum(tensor.numel() for tensor in run.weights().values()),
        "megabytes": (run.path / WEIGHTS).stat().st_size / 1e6,
        "start": start,
        "starts": _starts(run),
        "software": {"twinsign": config.get("twinsign", "not recorded"), **(config.get("software") or {})},
        "missing": missing(run, reports, told),
        "version": __version__,
    }


def missing(run: Run, reports: Sequence[facts.Report], told: CardMetadata) -> list[str]:
    """What a reader would want to know and neither the RUN nor a report holds."""
    packs, tested = facts.packs_of(run), [report for report in reports if not report["selected_on"]]
    estimators = (run.about.get("learnt_from") or {}).get("estimators")
    config = recipe_values(run.path / CONFIG)
    gaps = {
        "the terms of the training data, and so the licence of these weights": told.license == UNTOLD,
        "the sign language": not told.languages,
        "the dataset's name": not any(dataset_of(dict(pack)) for pack in packs),
        "which estimator made the poses": not estimators,
        "a result on clips that chose nothing": not tested,
        "whether signers are shared with training": any(report.get("signers") is None for report in tested),
        "how many clips the splits list without poses": any(
            (report.get("coverage") or {}).get("listed") is None for report in tested
        ),
        "what the encoders that it began with had learnt from": _starts(run) == "run" and not _facts_of_start(run),
        "versions of the libraries that trained it": not config.get("software"),
    }
    told_nowhere = [
        "how much results vary with the seed: this is one training",
        "who the signers are (age, handedness, region, skin, deaf or hearing), and how results differ between them",
        "accuracy in continuous signing, on other cameras and with other pose estimators",
    ]
    return [name for name, open_ in gaps.items() if open_] + told_nowhere


def _starts(run: Run) -> str:
    """What a classifier's encoders began with, or a pre-training is: `run`, or "" for none."""
    if run.kind == "pretrained":
        return "pretraining"
    return "run" if run.about.get("init") not in (None, "none") else ""


def _facts_of_start(run: Run) -> bool:
    return bool(run.about.get("started_from"))


def _results(report: facts.Report) -> list[EvalResult]:
    """The report's accuracies as the Hub's model index takes them, with clips and intervals as arguments."""
    packs = [facts.name_of(one) for one in report.get("data", [])]
    about: dict[str, Any] = {
        "task_type": "other",
        "task_name": TASK,
        "dataset_type": "-".join(packs) or "unnamed",
        "dataset_name": facts.title_of(report),
        "dataset_split": "+".join(report.get("split") or ["all"]),
        "dataset_args": {"clips": report["clips"], "classes": report["classes"], "split_hash": report["split_hash"]},
    }
    found = []
    for kind, words in (("per_instance", "per instance"), ("per_class", "per class")):
        for top in ("top1", "top5"):
            name = f"top-{top.removeprefix('top')} {words} (%)"
            extra = {"clips": report["clips"], "interval95": report["interval95"][f"{kind}.{top}"]}
            found.append(
                EvalResult(
                    metric_type="accuracy",
                    metric_value=report[kind][top],
                    metric_name=name,
                    metric_args=extra,
                    **about,
                )
            )
    return found
