"""What a model card says of a RUN and of its reports, in words; nothing that neither of them holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twinsign.errors import InputError
from twinsign.evaluation.coverage import source_in_words
from twinsign.evaluation.selective import unknown_in_words
from twinsign.files import parse_json
from twinsign.runs.calibration import calibration_of, threshold_in_words
from twinsign.runs.models import frames_of, head_recipe
from twinsign.runs.run import CALIBRATED, EVALUATIONS, TRAINING_STATISTICS, VAL, Run

NEEDED = ("per_instance", "per_class", "interval95", "clips", "classes", "split_hash", "selected_on")
"""Keys without which a JSON is no report of an evaluation."""
COVERAGES = (25, 50, 75, 100)
"""Shares of the clips answered, in percent, of which the table of a report tells the accuracy."""
MOST_CLASSES = 60
"""Glosses listed."""
Report = Mapping[str, Any]


def reports_of(run: Run, given: Sequence[Path]) -> list[Report]:
    """The reports left in the RUN and those given, each once, those of clips that chose nothing first.

    InputError where a given one is no report or of another model. Those in the RUN that do not name it, of an earlier
    version or an earlier model there, are passed over.
    """
    digest = run.digest()
    files = [*sorted((run.path / EVALUATIONS).glob("*.json")), run.path / VAL]
    kept = [_read(file) for file in files if file.is_file()]
    found = [report for report in kept if report.get("run_digest") == digest]
    for file in given:
        report = _read(file)
        if "run_digest" not in report:
            hint = "Reports of earlier versions do not name their model: evaluate again with --json."
            raise InputError("no run_digest", "a report that names its model", file=file, hint=hint)
        if report["run_digest"] != digest:
            hint = "Evaluate this RUN again with --json."
            raise InputError("a report of another model", f"one of {run.path}", file=file, hint=hint)
        found.append(report)
    once = {_key(report): report for report in found}
    return sorted(once.values(), key=lambda report: (bool(report["selected_on"]), _key(report)))


def _key(report: Report) -> tuple[str, ...]:
    split, besides = ",".join(report.get("split") or ["all"]), "unknown" if "unknown" in report else ""
    return (str(report.get("protocol")), split, report["split_hash"], besides, source_in_words(report.get("source")))


def _read(file: Path) -> Report:
    try:
        report = parse_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"no JSON ({error})", "a report of `evaluate --json`", file=file) from error
    missing = [name for name in NEEDED if name not in report] if isinstance(report, dict) else list(NEEDED)
    if missing:
        raise InputError(f"no {missing[0]}", "a report of `evaluate --json`", file=file)
    return dict(report)


def title_of(report: Report) -> str:
    """Which clips a report is of, and what their poses show: "test of wlasl300 (wlasl100=1): hands alone"."""
    where = f" ({' and '.join(report['where'])})" if report.get("where") else ""
    split = "+".join(report["split"]) if report.get("split") else "all splits"
    source = f": {shown}" if (shown := source_in_words(report.get("source"))) else ""
    kind = f", {report['neighbours']}-NN among {report['gallery']}" if report.get("protocol") == "knn" else ""
    return f"{split} of {', '.join(map(name_of, report.get('data', []))) or 'unnamed packs'}{where}{kind}{source}"


def name_of(path: str) -> str:
    """A pack's name without the folders that it lies in, which are nobody's business."""
    return path.rstrip("/").rsplit("/", 1)[-1].removesuffix(".pack")


def interval(report: Report, kind: str, top: str) -> str:
    """An accuracy and its 95 % interval: "66.6 [62.4, 70.6]"."""
    low, high = report["interval95"][f"{kind}.{top}"]
    return f"{report[kind][top]:.1f} [{low:.1f}, {high:.1f}]"


def notes_of(report: Report) -> list[str]:
    """What must be known of a report's clips besides: selection, signers, coverage, overlap, shift."""
    said = [f"Hash of clips and glosses: `{report['split_hash']}`."]
    if report["selected_on"]:
        said.append(f"These clips ({', '.join(report['selected_on'])}) chose the model: not a test result.")
    said += [_signers(report), _coverage(report), _overlap(report)]
    if report.get("unknown"):
        said.append(f"Signs that the model does not know, asked besides: {unknown_in_words(report['unknown'])}.")
    if report.get("handless_clips"):
        said.append(
            f"{len(report['handless_clips'])} of the clips show no hand in any frame, and count like the others."
        )
    shift = report.get("shift")
    if shift and any(shift.get(name) for name in ("estimators", "missing", "unknown", "joints")):
        said.append("These clips' poses are unlike those that the model learnt from (`shift` in the report).")
    return said


def _signers(report: Report) -> str:
    found = report.get("signers")
    if found is None:
        return "Signers: not known whether people in these clips signed training clips too."
    if found["independent"]:
        return f"Signers: {found['evaluated']}, none of whom signed a training clip (signer-independent)."
    if found["shared"]:
        clips = f"{found['clips_of_shared']} of these clips are theirs"
        return f"Signers: {found['shared']} of {found['evaluated']} signed training clips too; {clips}."
    return f"Signers: {found['evaluated']} named, none of whom signed a training clip; some clips name nobody."


def _coverage(report: Report) -> str:
    found = report.get("coverage")
    if not found or found["listed"] is None:
        return "Coverage: not known how many clips the split lists of which no poses are there."
    return f"Coverage: {found['clips']} of the {found['listed']} clips that the split lists have poses."


def _overlap(report: Report) -> str:
    shared = report.get("overlap")
    if shared is None:
        return "Duplicates: not known whether training clips are among these clips."
    if not shared:
        return "Duplicates: none of these clips is bit by bit a training clip."
    return f"Duplicates: clips that are bit by bit training clips: {len(shared)} ({', '.join(map(code, shared))})."


def rejection_of(report: Report) -> list[tuple[float, float, float]]:
    """Coverage, accuracy and least confidence of the surest clips, near each of COVERAGES, in percent."""
    points = report.get("selective") or []
    chosen = [min(points, key=lambda point: abs(point["coverage"] - aim)) for aim in COVERAGES] if points else []
    rows = [(one["coverage"], one["accuracy"], 100 * one["confidence"]) for one in chosen]
    return list(dict.fromkeys(rows))


def selection_of(run: Run) -> str:
    """How the epoch, the temperature and the threshold were chosen."""
    if run.kind == "pretrained":
        return "Nothing was selected: the weights are those of the last step."
    chosen, calibration = run.about.get("selected_on"), calibration_of(run)
    if chosen is None:
        return "How the epoch was chosen is not recorded."
    best = "val" in chosen and head_recipe(run).select == "best"
    said = ["The epoch of the highest top-1 on val was kept." if best else "The last epoch was kept."]
    if calibration is None:
        said.append(
            "There was no val split: confidences are uncalibrated, and the threshold of 50 % is no one's choice."
        )
    else:
        anew = run.about.get(CALIBRATED)
        source = "val" if anew is None else f"{anew['clips']} clips of {', '.join(anew['split'] or ['all splits'])}"
        fitted = f"The temperature of the confidences is {calibration.temperature:.2f}"
        said.append(f"{fitted}; {threshold_in_words(calibration)}. Both come from {source}.")
    return " ".join(said)


def learning_of(about: Mapping[str, Any], packs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where a training's clips came from, a line a fact."""
    said = [f"Packs: {', '.join(code(name_of(one)) for one in about.get('data', [])) or 'not recorded'}."]
    if about.get("where"):
        said.append(f"Rows with {' and '.join(map(code, about['where']))}.")
    said.append(
        f"Clips: {about.get('clips', 'not recorded')}; their hash: {code(about.get('rows_hash', 'not recorded'))}."
    )
    if about.get("labels_per_class"):
        said.append(f"Labels: {about['labels_per_class']} clips of each gloss.")
    elif about.get("label_fraction", 1.0) != 1.0:
        said.append(f"Labels: {100 * about['label_fraction']:g} % of each gloss's clips.")
    for pack in packs:
        named = {
            "dataset": pack.get("dataset"),
            "made by": pack.get("command"),
            "poses by": _counts(pack, "estimators"),
        }
        files = ", ".join(f"{code(name)} ({code(digest)})" for name, digest in (pack.get("files") or {}).items())
        facts = [f"{what} {code(value)}" for what, value in named.items() if value]
        said.append(f"A pack: {'; '.join([*facts, f'from {files}' if files else 'source files not recorded'])}.")
    return said


def _counts(pack: Mapping[str, Any], name: str) -> str:
    found = pack.get(name) or {}
    known = found.items() if isinstance(found, dict) else []
    return ", ".join(f"{value} ({count} clips)" for value, count in known if value != "unknown")


def packs_of(run: Run) -> list[Mapping[str, Any]]:
    """Provenance of the packs that the RUN learnt from; none of runs that did not record it."""
    found: list[Mapping[str, Any]] = (run.about.get(TRAINING_STATISTICS) or {}).get("packs", [])
    return found


def sees(run: Run) -> str:
    """Branches, parts and frames of the networks, in words."""
    parts = "hand, trunk" if run.kind == "pretrained" else ", ".join(head_recipe(run).head.parts)
    return f"branches: {', '.join(run.branches())}; parts: {parts}; {frames_of(run)} frames of each clip"


def code(text: object) -> str:
    """Text from outside as Markdown that shows it letter for letter, in a table too."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return "`" + plain.replace("`", "'").replace("|", "¦") + "`"
