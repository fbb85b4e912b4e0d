"""The commands on score files: adding models up, and telling whether one is better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from twinsign.cli.console import OK, console, parse_numbers, print_report, with_interval
from twinsign.errors import InputError
from twinsign.evaluation import fuse as fusion
from twinsign.evaluation import significance as comparison
from twinsign.evaluation.metrics import Scored
from twinsign.evaluation.scores import ScoreFile, aligned, read_scores, write_scores
from twinsign.files import write_json
from twinsign.pack.open import split_hash


def fuse(
    scores: list[str],
    weights: list[str],
    temperatures: list[str],
    tune: list[str],
    common: bool,
    add: fusion.Addends = "softmax",
    json: Path | None = None,
    out: Path | None = None,
) -> int:
    """Add several models' predictions of the same clips, joined by id: the paper's late fusion (+R).

    Args:
        add: What is summed: softmaxes or logits.
        json: Where to write the report as JSON.
        out: Where to write the fused scores (NPZ).
    """
    files = [read_scores(path) for path in scores]
    members = aligned(files, common)
    if tune:
        if weights or temperatures:
            raise InputError("weights or temperatures beside files to tune them on", "one of the two")
        tuning = [read_scores(path) for path in tune]
        fusion.check_tuning(tuning, files)
        mix = fusion.tune(aligned(tuning, common), add)
    else:
        mix = fusion.mix_of(
            len(files), parse_numbers(weights, "weights"), parse_numbers(temperatures, "temperatures"), add=add
        )
    fused = fusion.fuse(members, mix)
    report: dict[str, Any] = fusion.fused_report(files, members, mix, fused)
    report["tuned_on"] = tune
    report["split_hash"] = split_hash(fused.ids, [fused.glosses[label] for label in fused.labels])
    _show_members(report)
    print_report(report)
    if out:
        write_scores(out, fused, report)
    if json:
        write_json(json, report)
    return OK


def compare(scores: list[str], against: list[str], common: bool, json: Path | None = None) -> int:
    """Test whether one model is better than another on the same clips: two score files, A and B.

    Args:
        json: Where to write the comparison as JSON.
    """
    if not against and len(scores) != 2:
        wanted = "two files, A and B; with several seeds: A1 A2 … --against B1 B2 …"
        raise InputError(f"{len(scores)} score files", wanted)
    ours, theirs = (scores, against) if against else (scores[:1], scores[1:])
    files = [read_scores(path) for path in (*ours, *theirs)]
    members = aligned(files, common)
    found = {"files": {"a": ours, "b": theirs}, **comparison.compare(members[: len(ours)], members[len(ours) :])}
    found["left_out"] = {str(file.path): len(file.ids) - found["clips"] for file in files}
    _show_comparison(found, files, members[0])
    if json:
        write_json(json, found)
    return OK


def _show_members(report: dict[str, Any]) -> None:
    table = Table(title="alone, top-1 in percent [95 %]")
    for name in ("", "weight", "divided by", "per instance", "per class", "left out"):
        table.add_column(name, justify="right" if name else "left")
    for one in report["members"]:
        tops = (with_interval(one, kind, "top1") for kind in comparison.KINDS)
        parse_numbers = (f"{one['weight']:.3g}", f"{one['temperature']:.3g}")
        table.add_row("/".join(Path(one["file"]).parts[-2:]), *parse_numbers, *tops, str(one["left_out"]))
    console.print(table)


def _show_comparison(found: dict[str, Any], files: list[ScoreFile], members: Scored) -> None:
    left_out = sum(found["left_out"].values())
    title = f"{found['clips']} clips of {found['classes']} classes, chosen among {len(members.glosses)}, in percent"
    table = Table(title=title + (f"; {left_out} clips of {len(files)} files left out" if left_out else ""))
    for name in ("", "A", "B", "A - B [95 %]"):
        table.add_column(name, justify="right" if name else "left")
    difference = {**found["difference"], "interval95": found["interval95"]}
    for kind in comparison.KINDS:
        for top in found["difference"][kind]:
            values = (f"{found[side][kind][top]:.1f}" for side in ("a", "b"))
            change = with_interval(difference, kind, top, sign="+")
            table.add_row(f"{top} {kind.replace('_', ' ')}", *values, change)
    console.print(table)
    if "mcnemar" in found:
        test = found["mcnemar"]
        words = f"A alone right on {test['only_a']} clips, B alone on {test['only_b']}; McNemar's exact p"
        console.print(f"top-1: {words} = {test['p']:.3g}")
    else:
        seeds = f"{found['a']['seeds']} and {found['b']['seeds']} files"
        console.print(f"top-1, means over {seeds}: sign-flip p over clips = {found['sign_flip']['p']:.3g}")
