"""The model card of a RUN, a README.md as a Hugging Face Hub shows it, from the RUN's files and its reports only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, StrictUndefined

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.hub import facts
from twinsign.pack.open import dataset_of
from twinsign.runs.plain_yaml import recipe_values
from twinsign.runs.run import CONFIG, WEIGHTS, Run

TAGS = ["sign-language", "isolated-sign-recognition", "pose"]
OTHER_LICENSE = "other"
"""The Hub's word for a licence that is not in its list."""


@dataclass(frozen=True)
class CardMetadata:
    """What no RUN records: the weights' licence and the sign languages' ISO 639 codes (`ase`)."""

    license: str = OTHER_LICENSE
    """The weights' licence as the Hub spells it; `other`: that of the training data, whatever it is."""
    languages: list[str] = field(default_factory=list)
    """ISO 639 codes of the sign languages: ase, bfi, csl, …"""
    repo: str = "OWNER/NAME"
    """The repository in the card's examples."""

    def __post_init__(self) -> None:
        wrong = [code for code in self.languages if not re.fullmatch(r"[a-z]{2,3}", code)]
        if wrong:
            raise InputError(f"language {wrong[0]!r}", "ISO 639 codes of two or three letters, such as ase")
        if not re.fullmatch(r"[a-z0-9.-]+", self.license):
            raise InputError(f"licence {self.license!r}", "an identifier of the Hub, such as cc-by-4.0, or other")


def model_card(run: Run, reports: Sequence[facts.Report], metadata: CardMetadata) -> str:
    """README.md: front matter with the results on clips that took no part in model selection, and the text."""
    datasets = {dataset_of(dict(pack)) for pack in facts.packs_of(run)}
    results = [result for report in reports if not report["selected_on"] for result in _results(report)]
    config, name = recipe_values(run.path / CONFIG), run.path.resolve().name
    front_matter = ModelCardData(
        license=metadata.license,
        license_name="that-of-the-training-data" if metadata.license == OTHER_LICENSE else None,
        language=metadata.languages or None,
        library_name="twinsign",
        tags=TAGS + (["self-supervised-learning"] if run.kind == "pretrained" or _has_encoders(run) else []),
        # Names that the Hub accepts for a dataset; generated signs have others.
        datasets=sorted(name for name in datasets if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name)) or None,
        metrics=["accuracy"] if results else None,
        eval_results=results or None,
        model_name=name,
    )
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["code"] = facts.code
    environment.filters["named"] = lambda config: Path(config).name  # the folders of this machine are private
    template = environment.from_string(files(__package__).joinpath("card.md.j2").read_text(encoding="utf-8"))
    text = template.render(
        run=run,
        name=name,
        metadata=metadata,
        facts=facts,
        reports=reports,
        parameters=sum(tensor.numel() for tensor in run.weights().values()),
        megabytes=(run.path / WEIGHTS).stat().st_size / 1e6,
        start=run.about.get("started_from"),
        has_encoders=_has_encoders(run),
        software={"twinsign": config.get("twinsign", "not recorded"), **(config.get("software") or {})},
        missing=missing(run, reports, metadata),
        version=__version__,
    )
    return str(ModelCard(f"---\n{front_matter.to_yaml()}\n---\n\n{text}")).rstrip() + "\n"


def missing(run: Run, reports: Sequence[facts.Report], metadata: CardMetadata) -> list[str]:
    """What a reader would want to know and neither the RUN nor a report holds."""
    tested = [report for report in reports if not report["selected_on"]]
    coverages = [report.get("coverage") or {} for report in tested]
    gaps = {
        "the terms of the training data, and so the licence of these weights": metadata.license == OTHER_LICENSE,
        "the sign language": not metadata.languages,
        "the dataset's name": not any(dataset_of(dict(pack)) for pack in facts.packs_of(run)),
        "which estimator made the poses": not (run.about.get("learnt_from") or {}).get("estimators"),
        "a result on clips that took no part in model selection": not tested,
        "whether signers are shared with training": any(report.get("signers") is None for report in tested),
        "how many clips the splits list without poses": any(coverage.get("listed") is None for coverage in coverages),
        "what the encoders that it started from were trained on": (
            _has_encoders(run) and not run.about.get("started_from")
        ),
        "versions of the libraries that trained it": not recipe_values(run.path / CONFIG).get("software"),
    }
    never_recorded = [
        "how much results vary with the seed",
        "who the signers are (age, handedness, region, skin, deaf or hearing), and how results differ between them",
        "accuracy in continuous signing, on other cameras and with other pose estimators",
    ]
    return [name for name, is_gap in gaps.items() if is_gap] + never_recorded


def _has_encoders(run: Run) -> bool:
    """Whether a classifier started from the encoders of another RUN."""
    return run.kind != "pretrained" and run.about.get("init") not in (None, "none")


def _results(report: facts.Report) -> list[EvalResult]:
    """The report's accuracies for the Hub's model index, with clips and intervals as arguments."""
    return [
        EvalResult(
            task_type="other",
            task_name="Isolated sign recognition from poses",
            dataset_type="-".join(map(facts.name_of, report.get("data", []))) or "unnamed",
            dataset_name=facts.title_of(report),
            dataset_split="+".join(report.get("split") or ["all"]),
            dataset_args={"clips": report["clips"], "classes": report["classes"], "split_hash": report["split_hash"]},
            metric_type="accuracy",
            metric_value=report[kind][top],
            metric_name=f"{top.replace('top', 'top-')} {kind.replace('_', ' ')} (%)",
            metric_args={"clips": report["clips"], "interval95": report["interval95"][f"{kind}.{top}"]},
        )
        for kind in ("per_instance", "per_class")
        for top in ("top1", "top5")
    ]
