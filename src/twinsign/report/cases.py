"""Clips on which models differ, chosen by a rule that the caption states with all counts (paper, Fig. 5 and 6)."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.evaluation.metrics import Scored, confidences, guesses, ranks
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import clip_ids
from twinsign.pose.layout import HANDS
from twinsign.report.case_strips import Case, Said, case_strips
from twinsign.report.skeletons import Panel, clip_panel

LIKELY = 5
"""A true sign among this many of a model's likeliest counts as similar to its guess."""
MARKS = "✓ right, ✗ wrong, with the confidence (softmax) in each guess."


class Answers:
    """What several models said of the same clips (N): guess (N), confidence (N), rank of the true sign (N) by name.

    Raises InputError where the models' clips, glosses or labels differ, or are not those of the pack's rows.
    """

    def __init__(self, scored: Mapping[str, Scored], pack: Pack, rows: Indices) -> None:
        first = next(iter(scored.values()), None)
        if first is None:
            raise InputError("no model", "scores of at least one")
        for name, one in scored.items():
            if (one.ids, one.glosses) != (first.ids, first.glosses) or (one.labels != first.labels).any():
                wanted = f"those of {next(iter(scored))!r} in its order"
                raise InputError(f"other clips, glosses or labels of model {name!r}", wanted)
        if clip_ids(pack, rows) != first.ids:
            raise InputError(
                f"{len(rows)} rows of other clips", f"the {len(first.ids)} scored ones", file=pack.paths[0]
            )
        self.names, self.pack, self.rows = list(scored), pack, rows
        self.ids, self.glosses, self.labels = first.ids, first.glosses, first.labels
        self.signers: list[str | None] = pack.table["signer"].take(rows).to_pylist()
        self._guess = {name: guesses(one) for name, one in scored.items()}
        self.confidence = {name: confidences(one) for name, one in scored.items()}
        self.rank = {name: ranks(one) for name, one in scored.items()}

    def right(self, name: str) -> NDArray[np.bool_]:
        """On which clips (N) this model is right; InputError where there is no such model."""
        if name not in self.rank:
            raise InputError(f"no scores of model {name!r}", f"one of {', '.join(self.names)}")
        found: NDArray[np.bool_] = self.rank[name] == 0
        return found

    def case(self, clip: int) -> Case:
        """One of the clips, ready to draw."""
        signer = self.signers[clip]
        about = f"clip {self.ids[clip]}" + (f", signer {signer}" if signer else "")
        said = [
            Said(
                name,
                self.glosses[self._guess[name][clip]],
                float(self.confidence[name][clip]),
                bool(self.rank[name][clip] == 0),
            )
            for name in self.names
        ]
        return Case(self.glosses[self.labels[clip]], about, _panel(self.pack, int(self.rows[clip])), tuple(said))


def part_cases(
    scored: Mapping[str, Scored], pack: Pack, rows: Indices, *, whole: str, count: int = 4, converse: int = 0
) -> tuple[Figure | None, str]:
    """Clips that `whole` gets right and a part alone gets wrong, then `converse` ones, and a caption (paper, Fig. 5).

    `scored`: each model's scores of these rows, by name; all but `whole` are the parts. No figure where no clip is
    shown; the caption has the counts all the same.
    """
    answers = Answers(scored, pack, rows)
    parts = [name for name in answers.names if name != whole]
    if not parts:
        raise InputError("no part beside the whole", "scores of each part alone, too")
    right = answers.right(whole)
    by_part = np.stack([answers.right(name) for name in parts])
    mended, broken = right & ~by_part.all(axis=0), ~right & by_part.any(axis=0)
    groups = _groups(answers, mended, parts, ~by_part)
    turned = _groups(answers, broken, parts, by_part, judged=[whole])
    signs = answers.labels.tolist()
    shown, turned_shown = _in_turn(groups.values(), signs, count), _in_turn(turned.values(), signs, converse)
    caption = (
        f"Of {len(signs)} clips {whole} is right on {mended.sum()} that a part alone gets wrong"
        f"{_sizes(groups, 'wrong')}; conversely a part alone is right on {broken.sum()} that {whole} gets wrong"
        f"{_sizes(turned, 'right')}. Shown: {len(shown)} of the {mended.sum()}"
        + (f", then {len(turned_shown)} of the {broken.sum()}" if converse else "")
        + ", chosen by rule: these groups take turns, each true sign comes once, clips whose true sign is among the "
        f"{LIKELY} likeliest of every model that errs come first, then those with the surest error. {MARKS}"
    )
    drawn = [*shown, *turned_shown]
    return case_strips([answers.case(clip) for clip in drawn]) if drawn else None, caption


def signer_cases(
    scored: Mapping[str, Scored],
    pack: Pack,
    rows: Indices,
    *,
    base: str = "joint",
    mender: str = "motion",
    count: int = 2,
    signers: int = 3,
) -> tuple[Figure | None, str]:
    """Signs by several signers of which `base` misses some that `mender` gets, and a caption (paper, Fig. 6).

    `count` signs, of each a clip of up to `signers` signers; where the rows name none, each clip counts as one's own.
    No figure where there is no such sign; the caption has the counts all the same.
    """
    answers = Answers(scored, pack, rows)
    known, mends = answers.right(base), answers.right(mender)
    mended, lost = ~known & mends, known & ~mends
    named = any(answers.signers)
    person: list[Hashable] = list(answers.signers if named else answers.ids)
    signs = _signs_of_several(answers, person)
    counts = {label: int(mended[clips].sum()) for label, clips in signs.items()}
    # Signs that `base` knows by another signer come first, for there it is the signer that it stumbles on.
    order = sorted(
        (label for label in signs if counts[label]), key=lambda one: (not known[signs[one]].any(), -counts[one], one)
    )
    drawn = []
    for label in order[:count]:
        clips = signs[label]
        groups = [clips[kind[clips]].tolist() for kind in (mended, known, ~known & ~mends)]
        drawn += _in_turn(groups, person, signers)
    several = "signers" if named else "clips (the pack names no signers: some may be of one person)"
    caption = (
        f"Of {len(known)} clips {mender} is right on {mended.sum()} that {base} gets wrong, and {base} on {lost.sum()} "
        f"that {mender} gets wrong. {len(signs)} signs have several {several}; in {len(order)} of them {mender} is "
        f"right where {base} errs. Shown: {min(count, len(order))} of these {len(order)}, chosen by rule: first signs "
        f"that {base} gets right elsewhere, then those with the most such clips; of each up to {signers} "
        f"{'signers, a clip each' if named else 'clips'}, in turn one of these clips, one that {base} gets right, and "
        f"one that both get wrong. {MARKS}"
    )
    return case_strips([answers.case(clip) for clip in drawn]) if drawn else None, caption


def _signs_of_several(answers: Answers, person: Sequence[Hashable]) -> dict[int, Indices]:
    """Each sign that two persons or more signed, and its clips of known persons."""
    own = np.array([one is not None for one in person])
    found = {}
    for label in np.unique(answers.labels).tolist():
        clips = np.flatnonzero((answers.labels == label) & own)
        if len({person[clip] for clip in clips.tolist()}) > 1:
            found[label] = clips
    return found


def _groups(
    answers: Answers,
    chosen: NDArray[np.bool_],
    parts: Sequence[str],
    marked: NDArray[np.bool_],
    judged: Sequence[str] = (),
) -> dict[str, list[int]]:
    """The chosen clips (N) by which parts are marked (P N), smallest sets first, each group in the order to show it.

    Judged are the models that err: the marked parts unless told. First a true sign that all of them find likely.
    """
    found: dict[tuple[int, ...], list[tuple[bool, float, int]]] = {}
    for clip in np.flatnonzero(chosen).tolist():
        which = tuple(np.flatnonzero(marked[:, clip]).tolist())
        erring = judged or [parts[part] for part in which]
        similar = all(answers.rank[name][clip] < LIKELY for name in erring)
        surest = max(float(answers.confidence[name][clip]) for name in erring)
        found.setdefault(which, []).append((not similar, -surest, clip))
    keys = sorted(found, key=lambda which: (len(which), which))
    return {" and ".join(parts[part] for part in which): [clip for *_, clip in sorted(found[which])] for which in keys}


def _sizes(groups: Mapping[str, Sequence[int]], word: str) -> str:
    return f" ({word}: {', '.join(f'{name} {len(clips)}' for name, clips in groups.items())})" if groups else ""


def _in_turn(groups: Iterable[Sequence[int]], own: Sequence[Hashable], count: int) -> list[int]:
    """Up to `count` members, taken from the groups in turn, no two of which have the same `own`."""
    waiting, taken, used = [deque(group) for group in groups], list[int](), set[Hashable]()
    while any(waiting) and len(taken) < count:
        for queue in waiting:
            while queue and own[queue[0]] in used:
                queue.popleft()
            if queue and len(taken) < count:
                used.add(own[queue[0]])
                taken.append(queue.popleft())
    return taken


def _panel(pack: Pack, row: int) -> Panel:
    """The clip, seen from its first to its last frame with a hand: a strip then shows the sign, not the wait."""
    recording = pack.recording(row)
    panel = clip_panel(recording.xy, recording.seen, recording.size)
    shown = np.flatnonzero(recording.seen[:, HANDS].any(axis=1))
    if not len(shown):
        return panel
    seen = panel.seen.copy()
    seen[: shown[0]] = seen[shown[-1] + 1 :] = False
    return replace(panel, seen=seen)
