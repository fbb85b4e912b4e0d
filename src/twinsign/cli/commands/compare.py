"""The commands that compare results: fuse and compare on score files, robustness on damaged recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from twinsign.cli.console import (
    console,
    parse_ending,
    parse_numbers,
    parse_splits,
    print_report,
    print_table,
    save_report,
    with_interval,
)
from twinsign.cli.options import Flag, OptionalWords, Positionals, Words
from twinsign.errors import InputError


def fuse(
    scores: Positionals,
    weights: OptionalWords,
    temperatures: OptionalWords,
    tune: OptionalWords,
    common: Flag,
    add: Literal["softmax", "logits"] = "softmax",
    json: Path | None = None,
    out: Path | None = None,
) -> None:
    """Add several models' predictions of the same clips, joined by id: the paper's late fusion (+R).

    Args:
        scores: Score files (evaluate --scores), or another model's NPZ or CSV with the clips' ids.
        weights: Weight of each file's scores. Default: 1 each.
        temperatures: Number to divide each file's logits by before the softmax. Default: 1 each.
        tune: Score files of val, in the same order, on which to choose temperatures and weights.
        add: What to sum: softmaxes or logits.
        out: NPZ file to write the fused scores to.
    """
    from twinsign.evaluation import fuse as fusion
    from twinsign.evaluation.metrics import KINDS
    from twinsign.evaluation.score_files import align_scores, read_scores
    from twinsign.pack.open import split_hash

    files = [read_scores(path) for path in scores]
    members = align_scores(files, common)
    if tune:
        if weights or temperatures:
            raise InputError("weights or temperatures beside files to tune them on", "one of the two")
        tuning = [read_scores(path) for path in tune]
        fusion.check_tuning(tuning, files)
        mix = fusion.tune(align_scores(tuning, common), add)
    else:
        numbers = parse_numbers(weights, "weights"), parse_numbers(temperatures, "temperatures")
        mix = fusion.fusion_weights(len(files), *numbers, add=add)
    fused = fusion.fuse(members, mix)
    report: dict[str, Any] = fusion.fused_report(files, members, mix, fused)
    report["tuned_on"] = tune
    report["split_hash"] = split_hash(fused.ids, [fused.glosses[label] for label in fused.labels])
    rows = (
        [
            "/".join(Path(member["file"]).parts[-2:]),
            *(f"{member[name]:.3g}" for name in ("weight", "temperature")),
            *(with_interval(member, kind, "top1") for kind in KINDS),
            member["left_out"],
        ]
        for member in report["members"]
    )
    header = ["", "weight", "divided by", "per instance", "per class", "left out"]
    print_table("single models, top-1 in percent [95 %]", header, rows)
    print_report(report)
    save_report(report, json, fused, out)


def compare(scores: Positionals, against: OptionalWords, common: Flag, json: Path | None = None) -> None:
    """Test whether one model is better than another on the same clips: two score files, A and B.

    Args:
        scores: Score files (evaluate --scores), or another model's NPZ or CSV with the clips' ids.
        against: Score files of B, where each side has several seeds; the positional files are then those of A.
    """
    from twinsign.evaluation import significance
    from twinsign.evaluation.score_files import align_scores, read_scores

    if not against and len(scores) != 2:
        wanted = "two files, A and B; with several seeds: A1 A2 … --against B1 B2 …"
        raise InputError(f"{len(scores)} score files", wanted)
    a, b = (scores, against) if against else (scores[:1], scores[1:])
    files = [read_scores(path) for path in (*a, *b)]
    members = align_scores(files, common)
    report = {"files": {"a": a, "b": b}, **significance.compare(members[: len(a)], members[len(a) :])}
    report["left_out"] = {str(file.path): len(file.ids) - report["clips"] for file in files}
    left_out = sum(report["left_out"].values())
    title = (
        f"{report['clips']} clips of {report['classes']} classes, chosen among {len(members[0].glosses)}, in percent"
    )
    difference = {**report["difference"], "interval95": report["interval95"]}
    rows = (
        [
            f"{top} {kind.replace('_', ' ')}",
            *(f"{report[side][kind][top]:.1f}" for side in ("a", "b")),
            with_interval(difference, kind, top, sign="+"),
        ]
        for kind in significance.KINDS
        for top in report["difference"][kind]
    )
    skipped = f"; {left_out} clips of {len(files)} files left out" if left_out else ""
    print_table(title + skipped, ["", "A", "B", "A - B [95 %]"], rows)
    for side, names in (("A", a), ("B", b)):
        console.print(f"{side}: {', '.join(map(str, names))}", soft_wrap=True)
    if "mcnemar" in report:
        test = report["mcnemar"]
        counts = f"A alone right on {test['only_a']} clips, B alone on {test['only_b']}"
        console.print(f"top-1: {counts}; McNemar's exact p = {test['p']:.3g}")
    else:
        seeds = f"{report['a']['seeds']} and {report['b']['seeds']} files"
        console.print(f"top-1, means over {seeds}: sign-flip p over clips = {report['sign_flip']['p']:.3g}")
    save_report(report, json)


def robustness(
    model: Path,
    data: Words,
    where: OptionalWords,
    kinds: OptionalWords,
    out: Path,
    split: str = "test",
    seed: int = 0,
) -> None:
    """Report how a classifier's accuracy falls as recordings get worse: noise, lost joints, other cameras.

    Args:
        model: RUN of finetune or linear.
        kinds: Kinds of damage: noise, joints, hands, frames, rate, rotation, mirror, swap. Default: all.
        out: A .html page or a .json report.
    """
    from twinsign.evaluation.robustness import robustness as measure_robustness
    from twinsign.pack.selection import ClipSelection

    kind = parse_ending(out, (".html", ".json"))
    with console.status("as recorded") as status:
        report = measure_robustness(model, ClipSelection(data, where), parse_splits(split), kinds, seed, status.update)
    print_report(report)
    header = ["damage", "level", "top-1 % [95 %]", "change", "p"]
    rows = [
        [
            name,
            f"{point['level']:g}",
            with_interval(point, "per_instance", "top1"),
            point["change"],
            f"{point['p']:.2g}",
        ]
        for name, curve in report["curves"].items()
        for point in curve["points"]
    ]
    print_table("top-1 as recordings get worse", header, rows, left=["damage"])
    if kind == ".json":
        save_report(report, out)
    else:
        _write_curves(out, report, header, rows)
    console.print(f"robustness: {out}")


def _write_curves(out: Path, report: dict[str, Any], header: list[str], rows: list[list[Any]]) -> None:
    """Write the page of a robustness report."""
    from twinsign.report.html import Table, write_report
    from twinsign.report.trends import robustness_figure

    units = "; ".join(f"{name}: {curve['unit']}" for name, curve in report["curves"].items())
    caption = f"Levels mean: {units}. p: McNemar's test against the clips as recorded."
    lead = (
        f"{report['per_instance']['top1']:.1f} % top-1 of {report['clips']} clips as recorded, and as they get worse."
    )
    if report["selected_on"]:
        lead += f" The model was selected on {', '.join(report['selected_on'])}: not a test result."
    facts = {"Run": report["run"], "Data": ", ".join(report["data"]), "Split hash": report["split_hash"]}
    pictures = [("Curves", "Top-1 per instance with Wilson's 95 % interval.", robustness_figure(report))]
    tables = [Table("Points", header, rows, caption)]
    write_report(out, title="Robustness", lead=lead, facts=facts, tables=tables, figures=pictures)
