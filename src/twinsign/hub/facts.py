"""What a RUN and its reports state, in words for a model card; nothing that neither of them holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twinsign.errors import InputError
from twinsign.evaluation.caveats import describe_source
from twinsign.evaluation.selective import describe_unknown
from twinsign.files import parse_json
from twinsign.nn.config import each_network
from twinsign.runs.calibration import calibration_of, threshold_in_words
from twinsign.runs.models import frames_of, head_recipe
from twinsign.runs.run import CALIBRATED, EVALUATIONS, SAME_SIGNS, TRAINING_STATISTICS, VAL, Run

REQUIRED = ("per_instance", "per_class", "interval95", "clips", "classes", "split_hash", "selected_on")
"""Keys without which a JSON is no evaluation report."""
COVERAGES = (25, 50, 75, 100)
"""Percentages of answered clips for which the table of a report gives the accuracy."""
MOST_CLASSES = 60
"""Glosses listed."""
Report = Mapping[str, Any]


def load_reports(run: Run, files: Sequence[Path]) -> list[Report]:
    """The reports in the RUN and in these files, each once, those on clips that took no part in selection first.

    InputError where a file is no report or is of another model. Reports in the RUN that do not name it, of an earlier
    version or an earlier model there, are skipped.
    """
    digest = run.digest()
    kept = [
        _read(file) for file in [*sorted((run.path / EVALUATIONS).glob("*.json")), run.path / VAL] if file.is_file()
    ]
    reports = [report for report in kept if report.get("run_digest") == digest]
    for file in files:
        report = _read(file)
        if "run_digest" not in report:
            hint = "Reports of earlier versions do not name their model: evaluate again with --json."
            raise InputError("no run_digest", "a report that names its model", file=file, hint=hint)
        if report["run_digest"] != digest:
            hint = "Evaluate this RUN again with --json."
            raise InputError("a report of another model", f"one of {run.path}", file=file, hint=hint)
        reports.append(report)
    unique = {_key(report): report for report in reports}
    return sorted(unique.values(), key=lambda report: (bool(report["selected_on"]), _key(report)))


def _key(report: Report) -> tuple[str, ...]:
    split, unknown = ",".join(report.get("split") or ["all"]), "unknown" if "unknown" in report else ""
    return (str(report.get("protocol")), split, report["split_hash"], unknown, describe_source(report.get("source")))


def _read(file: Path) -> Report:
    wanted = "a report of `evaluate --json`"
    try:
        report = parse_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"no JSON ({error})", wanted, file=file) from error
    missing = [name for name in REQUIRED if not isinstance(report, dict) or name not in report]
    if missing:
        raise InputError(f"no {missing[0]}", wanted, file=file)
    return dict(report)


def title_of(report: Report) -> str:
    """A report's clips, and what their poses show: "test of wlasl300 (wlasl100=1): hands alone"."""
    where = f" ({' and '.join(report['where'])})" if report.get("where") else ""
    split = "+".join(report["split"]) if report.get("split") else "all splits"
    source = f": {words}" if (words := describe_source(report.get("source"))) else ""
    kind = f", {report['neighbours']}-NN among {report['gallery']}" if report.get("protocol") == "knn" else ""
    return f"{split} of {', '.join(map(name_of, report.get('data', []))) or 'unnamed packs'}{where}{kind}{source}"


def name_of(path: str) -> str:
    """A pack's name without its folders, which are private."""
    return path.rstrip("/").rsplit("/", 1)[-1].removesuffix(".pack")


def interval(report: Report, kind: str, top: str) -> str:
    """An accuracy and its 95 % interval: "66.6 [62.4, 70.6]"."""
    low, high = report["interval95"][f"{kind}.{top}"]
    return f"{report[kind][top]:.1f} [{low:.1f}, {high:.1f}]"


def notes_of(report: Report) -> list[str]:
    """Notes on a report's clips: selection, signers, coverage, overlap, unknown signs, shift."""
    signers, coverage, overlap, shift = (report.get(key) for key in ("signers", "coverage", "overlap", "shift"))
    notes = [f"Hash of clips and glosses: `{report['split_hash']}`."]
    if report["selected_on"]:
        notes.append(f"These clips ({', '.join(report['selected_on'])}) chose the model: not a test result.")
    if signers is None:
        notes.append("Signers: not known whether people in these clips signed training clips too.")
    elif signers["shared"]:
        clips = f"{signers['clips_of_shared']} of these clips are theirs"
        notes.append(f"Signers: {signers['shared']} of {signers['evaluated']} signed training clips too; {clips}.")
    else:
        certainty = " (signer-independent)" if signers["independent"] else "; some clips name nobody"
        notes.append(f"Signers: {signers['evaluated']}, none of whom signed a training clip{certainty}.")
    if not coverage or coverage["listed"] is None:
        notes.append("Coverage: not known how many clips of the split have no poses.")
    else:
        notes.append(f"Coverage: {coverage['clips']} of the {coverage['listed']} clips of the split have poses.")
    if overlap is None:
        notes.append("Duplicates: not known whether training clips are among these clips.")
    elif not overlap:
        notes.append("Duplicates: none of these clips is bit by bit a training clip.")
    else:
        clips = f"{len(overlap)} ({', '.join(map(code, overlap))})"
        notes.append(f"Duplicates: clips that are bit by bit training clips: {clips}.")
    if report.get("unknown"):
        notes.append(f"Also evaluated with out-of-vocabulary signs: {describe_unknown(report['unknown'])}.")
    if report.get("handless_clips"):
        notes.append(
            f"{len(report['handless_clips'])} of the clips show no hand in any frame, and count like the others."
        )
    if shift and any(shift.get(name) for name in ("estimators", "missing", "unknown", "joints")):
        notes.append("These clips' poses are unlike those of the training clips (`shift` in the report).")
    return notes


def rejection_of(report: Report) -> list[tuple[float, float, float]]:
    """Coverage, accuracy and least confidence of the most confident clips, near each of COVERAGES, in percent."""
    points = report.get("selective") or []
    chosen = [min(points, key=lambda point: abs(point["coverage"] - aim)) for aim in COVERAGES] if points else []
    rows = [(point["coverage"], point["accuracy"], 100 * point["confidence"]) for point in chosen]
    return list(dict.fromkeys(rows))


def selection_of(run: Run) -> str:
    """How the epoch, the temperature and the threshold were chosen."""
    if run.kind == "pretrained":
        return "Nothing was selected: the weights are those of the last step."
    selected_on, calibration = run.about.get("selected_on"), calibration_of(run)
    if selected_on is None:
        return "How the epoch was chosen is not recorded."
    best = "val" in selected_on and head_recipe(run).select == "best"
    epoch = "The epoch of the highest top-1 on val was kept." if best else "The last epoch was kept."
    if calibration is None:
        return (
            f"{epoch} Nothing was calibrated: confidences are as they come, and the threshold is the default of 50 %."
        )
    later = run.about.get(CALIBRATED)
    source = "val" if later is None else f"{later['clips']} clips of {', '.join(later['split'] or ['all splits'])}"
    fitted = f"The temperature of the confidences is {calibration.temperature:.2f}; {threshold_in_words(calibration)}"
    pairs = len(run.about.get(SAME_SIGNS, []))
    also = f" An answer is right there, too, if it is another gloss of the same sign ({pairs} pairs in config.yaml)."
    return f"{epoch} {fitted}. Both come from {source}.{also if pairs else ''}"


def learning_of(about: Mapping[str, Any], packs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The sources of a training's clips, one line per fact."""
    lines = [f"Packs: {', '.join(code(name_of(path)) for path in about.get('data', [])) or 'not recorded'}."]
    if about.get("where"):
        lines.append(f"Rows with {' and '.join(map(code, about['where']))}.")
    rows_hash = code(about.get("rows_hash", "not recorded"))
    lines.append(f"Clips: {about.get('clips', 'not recorded')}; their hash: {rows_hash}.")
    if about.get("labels_per_class"):
        lines.append(f"Labels: {about['labels_per_class']} clips of each gloss.")
    elif about.get("label_fraction", 1.0) != 1.0:
        lines.append(f"Labels: {100 * about['label_fraction']:g} % of each gloss's clips.")
    for pack in packs:
        counts = pack.get("estimators")
        counts = counts if isinstance(counts, dict) else {}
        estimators = ", ".join(f"{name} ({count} clips)" for name, count in counts.items() if name != "unknown")
        facts = {"dataset": pack.get("dataset"), "made by": pack.get("command"), "poses by": estimators}
        files = ", ".join(f"{code(name)} ({code(digest)})" for name, digest in (pack.get("files") or {}).items())
        details = [f"{name} {code(value)}" for name, value in facts.items() if value]
        lines.append(f"A pack: {'; '.join([*details, f'from {files}' if files else 'source files not recorded'])}.")
    return lines


def packs_of(run: Run) -> list[Mapping[str, Any]]:
    """Provenance of the packs that the RUN was trained on; empty where it is not recorded."""
    packs: list[Mapping[str, Any]] = (run.about.get(TRAINING_STATISTICS) or {}).get("packs", [])
    return packs


def sees(run: Run) -> str:
    """Branches, parts and frames of the networks, in words."""
    parts = "hand, trunk" if run.kind == "pretrained" else ", ".join(head_recipe(run).head.parts)
    networks = " and ".join(network.network for network in each_network(run.recipe.encoder))
    return f"{networks}; branches: {', '.join(run.branches())}; parts: {parts}; {frames_of(run)} frames of each clip"


def trainings_of(run: Run) -> str:
    """How many trainings it was made of, in words."""
    if members := run.about.get("ensemble"):
        return f"{len(members)} classifiers, whose logits are added"
    members = run.about.get("averaged")
    return f"the mean of the weights of {len(members)} trainings" if members else "one training"


def code(text: object) -> str:
    """Text from outside as Markdown that shows it literally, also in a table."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return "`" + plain.replace("`", "'").replace("|", "¦") + "`"
