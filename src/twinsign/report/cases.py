"""Clips on which models differ, chosen by a rule that the caption states with all counts (paper, Fig. 5 and 6)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.evaluation.metrics import ClipScores, confidences, predictions, true_class_ranks
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import clip_ids
from twinsign.pose.layout import HANDS
from twinsign.report.figures import COLOURS, label_text
from twinsign.report.skeletons import NOTHING_SEEN, Panel, add_legend, clip_panel, draw_frame

LIKELY = 5
"""A true sign ranked this high by a model counts as similar to its guess."""
_LEGEND_NOTE = "✓ right, ✗ wrong, with the confidence (softmax) in each guess."
FRAMES = 6
"""Frames of a strip."""
_CELL, _GAP, _EDGE, _INDENT = 1.6, 0.06, 0.12, 0.2
"""Inches: a frame's width and the gap in it, around a picture, from a mark to what it marks."""
_HEADING, _FRAME_TITLE, _LINE, _LEGEND = 0.3, 0.2, 0.21, 0.32
"""Inches: heights of a clip's heading, a frame's number, a line of guesses, the legend."""
_ABREAST = 3
"""Models in a line."""
_MARKS = {True: ("✓", COLOURS[2]), False: ("✗", COLOURS[6])}
_BARE, _TALLEST = 0.4, 1.25
"""Height over width of the strip of a clip in which nothing is seen, and of any strip at most."""


def part_cases(
    scored: Mapping[str, ClipScores], pack: Pack, rows: Indices, *, whole: str, count: int = 4, converse: int = 0
) -> tuple[Figure | None, str]:
    """A figure of `count` clips that `whole` gets right and a part alone wrong, then `converse` ones vice versa.

    Returns figure and caption (paper, Fig. 5). `scored`: each model's scores of these rows, by name; all but `whole`
    are the parts. The figure is None where no clip is shown; the caption always has the counts.
    """
    answers = Answers(scored, pack, rows)
    parts = [name for name in answers.names if name != whole]
    if not parts:
        raise InputError("no part beside the whole", "scores of each part alone, too")
    right = answers.right(whole)
    by_part = np.stack([answers.right(name) for name in parts])
    mended, broken = right & ~by_part.all(axis=0), ~right & by_part.any(axis=0)
    mended_groups = _groups(answers, mended, parts, ~by_part)
    broken_groups = _groups(answers, broken, parts, by_part, judged=[whole])
    signs = answers.labels.tolist()
    shown = _take_turns(mended_groups.values(), signs, count)
    converse_shown = _take_turns(broken_groups.values(), signs, converse)
    caption = (
        f"Of {len(signs)} clips {whole} is right on {mended.sum()} that a part alone gets wrong"
        f"{_sizes(mended_groups, 'wrong')}; conversely a part alone is right on {broken.sum()} that {whole} gets wrong"
        f"{_sizes(broken_groups, 'right')}. Shown: {len(shown)} of the {mended.sum()}"
        + (f", then {len(converse_shown)} of the {broken.sum()}" if converse else "")
        + ", chosen by rule: these groups take turns, each true sign comes once, clips whose true sign is among the "
        f"{LIKELY} likeliest of every model that errs come first, then those with the surest error. {_LEGEND_NOTE}"
    )
    return case_strips(answers, [*shown, *converse_shown]), caption


def signer_cases(
    scored: Mapping[str, ClipScores],
    pack: Pack,
    rows: Indices,
    *,
    base: str = "joint",
    mender: str = "motion",
    count: int = 2,
    signers: int = 3,
) -> tuple[Figure | None, str]:
    """A figure of `count` signs by several signers, of which `mender` gets clips right that `base` gets wrong.

    Returns figure and caption (paper, Fig. 6). Each sign is shown by up to `signers` signers; without names of signers
    each clip counts as a signer. The figure is None where there is no such sign; the caption always has the counts.
    """
    answers = Answers(scored, pack, rows)
    base_right, mender_right = answers.right(base), answers.right(mender)
    mended, lost = ~base_right & mender_right, base_right & ~mender_right
    named = any(answers.signers)
    person: list[Hashable] = list(answers.signers if named else answers.ids)
    identified = np.array([name is not None for name in person])
    signs = {label: np.flatnonzero((answers.labels == label) & identified) for label in np.unique(answers.labels)}
    signs = {label: clips for label, clips in signs.items() if len({person[clip] for clip in clips}) > 1}
    counts = {label: int(mended[clips].sum()) for label, clips in signs.items()}
    # Signs that `base` gets right by another signer come first, for there it is the signer that it stumbles on.
    order = sorted(
        (label for label in signs if counts[label]),
        key=lambda label: (not base_right[signs[label]].any(), -counts[label], label),
    )
    shown = []
    for label in order[:count]:
        clips = signs[label]
        groups = [clips[kind[clips]].tolist() for kind in (mended, base_right, ~base_right & ~mender_right)]
        shown += _take_turns(groups, person, signers)
    several = "signers" if named else "clips (the pack names no signers: some may be of one person)"
    caption = (
        f"Of {len(mended)} clips {mender} is right on {mended.sum()} that {base} gets wrong, "
        f"and {base} on {lost.sum()} that {mender} gets wrong. {len(signs)} signs have several {several}; "
        f"in {len(order)} of them {mender} is right where {base} errs. "
        f"Shown: {min(count, len(order))} of these {len(order)}, chosen by rule: first signs that {base} gets right "
        f"elsewhere, then those with the most such clips; of each up to {signers} "
        f"{'signers, a clip each' if named else 'clips'}, in turn one of these clips, one that {base} gets right, and "
        f"one that both get wrong. {_LEGEND_NOTE}"
    )
    return case_strips(answers, shown), caption


def _groups(
    answers: Answers,
    chosen: NDArray[np.bool_],
    parts: Sequence[str],
    marked: NDArray[np.bool_],
    judged: Sequence[str] = (),
) -> dict[str, list[int]]:
    """Groups of the chosen clips (N) by their set of marked parts (P N), smallest sets first.

    Within a group, clips whose true sign is likely to every `judged` model (default: the marked parts) come first, then
    those with the most confident error.
    """
    groups: dict[tuple[int, ...], list[tuple[bool, float, int]]] = defaultdict(list)
    for clip in np.flatnonzero(chosen).tolist():
        members = tuple(np.flatnonzero(marked[:, clip]).tolist())
        erring = judged or [parts[part] for part in members]
        similar = all(answers.rank[name][clip] < LIKELY for name in erring)
        surest = max(float(answers.confidence[name][clip]) for name in erring)
        groups[members].append((not similar, -surest, clip))
    return {
        " and ".join(parts[part] for part in members): [clip for *_, clip in sorted(groups[members])]
        for members in sorted(groups, key=lambda members: (len(members), members))
    }


def _sizes(groups: Mapping[str, Sequence[int]], word: str) -> str:
    return f" ({word}: {', '.join(f'{name} {len(clips)}' for name, clips in groups.items())})" if groups else ""


def _take_turns(groups: Iterable[Sequence[int]], keys: Sequence[Hashable], count: int) -> list[int]:
    """Up to `count` members, taken from the groups in turn, no two of which have the same key."""
    queues, taken, used = [deque(group) for group in groups], list[int](), set[Hashable]()
    while any(queues) and len(taken) < count:
        for queue in queues:
            while queue and keys[queue[0]] in used:
                queue.popleft()
            if queue and len(taken) < count:
                used.add(keys[queue[0]])
                taken.append(queue.popleft())
    return taken


class Answers:
    """Several models' answers on the same clips (N), by name: guess (N), confidence (N), rank of the true sign (N).

    Raises InputError where the models' clips, glosses or labels differ, or are not those of the pack's rows.
    """

    def __init__(self, scored: Mapping[str, ClipScores], pack: Pack, rows: Indices) -> None:
        first = next(iter(scored.values()), None)
        if first is None:
            raise InputError("no model", "scores of at least one")
        for name, scores in scored.items():
            if (scores.ids, scores.glosses) != (first.ids, first.glosses) or (scores.labels != first.labels).any():
                wanted = f"those of {next(iter(scored))!r} in its order"
                raise InputError(f"other clips, glosses or labels of model {name!r}", wanted)
        if clip_ids(pack, rows) != first.ids:
            wanted = f"the {len(first.ids)} scored ones"
            raise InputError(f"{len(rows)} rows of other clips", wanted, file=pack.paths[0])
        self.names, self.pack, self.rows = list(scored), pack, rows
        self.ids, self.glosses, self.labels = first.ids, first.glosses, first.labels
        self.signers: list[str | None] = pack.table["signer"].take(rows).to_pylist()
        self.guess = {name: predictions(scores) for name, scores in scored.items()}
        self.confidence = {name: confidences(scores) for name, scores in scored.items()}
        self.rank = {name: true_class_ranks(scores) for name, scores in scored.items()}

    def right(self, name: str) -> NDArray[np.bool_]:
        """On which clips (N) this model is right; InputError where there is no such model."""
        if name not in self.rank:
            raise InputError(f"no scores of model {name!r}", f"one of {', '.join(self.names)}")
        right: NDArray[np.bool_] = self.rank[name] == 0
        return right

    def panel(self, clip: int) -> Panel:
        """A clip ready to draw, unseen before its first and after its last frame with a hand: a strip of the sign."""
        recording = self.pack.recording(int(self.rows[clip]))
        panel = clip_panel(recording.xy, recording.seen, recording.size)
        shown = np.flatnonzero(recording.seen[:, HANDS].any(axis=1))
        if not len(shown):
            return panel
        seen = panel.seen.copy()
        seen[: shown[0]] = seen[shown[-1] + 1 :] = False
        return replace(panel, seen=seen)


def case_strips(answers: Answers, clips: Sequence[int]) -> Figure | None:
    """The clips under each other: true sign, up to six frames, the models' guesses; None without clips."""
    if not clips:
        return None
    panels = [answers.panel(clip) for clip in clips]
    strips = [_CELL * (min(panel.shape(), _TALLEST) if len(panel.drawable) else _BARE) for panel in panels]
    lines = -(-len(answers.names) // _ABREAST)
    heights = [_HEADING + _FRAME_TITLE + strip + 2 * _LINE * lines + 2 * _EDGE for strip in strips]
    top = sum(heights) + _LEGEND
    figure = Figure(figsize=(FRAMES * _CELL + 2 * _EDGE, top))
    for clip, panel, strip, height in zip(clips, panels, strips, heights, strict=True):
        _draw_clip(figure, answers, clip, panel, top, strip)
        top -= height
    marks = [
        Line2D([], [], ls="", marker=f"${sign}$", color=colour, markersize=7, label="right" if right else "wrong")
        for right, (sign, colour) in _MARKS.items()
    ]
    add_legend(figure, "lower center", marks)
    return figure


def _draw_clip(figure: Figure, answers: Answers, clip: int, panel: Panel, top: float, strip: float) -> None:
    """Draw a clip below `top`, its frames `strip` high, both in inches, `top` from the figure's lower edge."""
    width, whole = figure.get_size_inches()
    heading, bottom = top - _HEADING / 2, top - _HEADING - _FRAME_TITLE - strip
    # A gloss is a text of its own: one written from right to left would else turn around what stands beside it.
    gloss, signer = answers.glosses[answers.labels[clip]], answers.signers[clip]
    figure.text(_EDGE / width, heading / whole, label_text(gloss, 50), weight="bold", fontsize=11, va="center")
    about = f"clip {answers.ids[clip]}" + (f", signer {signer}" if signer else "")
    small: dict[str, Any] = {"fontsize": 8.5, "color": "#444444", "va": "center"}
    figure.text(1 - _EDGE / width, heading / whole, label_text(about, 60), ha="right", **small)
    for column, frame in enumerate(panel.spread(FRAMES)):
        left = _EDGE + column * _CELL + _GAP / 2
        place = (left / width, bottom / whole, (_CELL - _GAP) / width, strip / whole)
        draw_frame(figure.add_axes(place), panel, frame)
    if not len(panel.drawable):
        figure.text(_EDGE / width, (bottom + _EDGE) / whole, NOTHING_SEEN, **small)
    abreast = min(_ABREAST, len(answers.names))
    for number, name in enumerate(answers.names):
        left = _EDGE + (number % abreast) * FRAMES * _CELL / abreast
        line = bottom - _EDGE / 2 - (2 * (number // abreast) + 0.5) * _LINE
        sign, colour = _MARKS[bool(answers.right(name)[clip])]
        figure.text(left / width, line / whole, sign, color=colour, fontsize=12, weight="bold", va="center")
        left = (left + _INDENT) / width
        model = f"{label_text(name, 24)}, {100 * float(answers.confidence[name][clip]):.0f} %"
        figure.text(left, line / whole, model, **small)
        guess = label_text(answers.glosses[answers.guess[name][clip]], 84 // abreast)
        figure.text(left, (line - _LINE) / whole, guess, fontsize=10, va="center")
