"""Left and right: hands given the other hand's name, and pictures that were mirrored."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from twinsign.doctor.candidates import Candidates
from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import Checked, Finding, counted
from twinsign.doctor.near import fit_pairs
from twinsign.doctor.tracks import WAYS, shown
from twinsign.pack.open import Indices

MOST = 0.5
"""Share of a clip's frames above which it counts."""
ONE_HANDED = 0.9
"""Share of the hands' travel above which a clip is signed with that hand."""
SIGNER_CLIPS = 8
"""One-handed clips from which a signer's habit is known, and the share of them that makes it one."""
HABIT = 0.9
AGREE = 0.9
"""Agreement by which two recordings with one id show one video, in one of the ways."""


def sides(exam: Exam) -> Checked:
    """`sides`: clips by what is odd: crossed, turned, against_signer, against_other_pack."""
    against, compared = _against_other_packs(exam)
    found = {
        "crossed": np.flatnonzero(exam.measures.crossed > MOST),
        "turned": np.flatnonzero(exam.measures.turned > MOST),
        "against_signer": _against_signers(exam),
    }
    value = {name: exam.names(places) for name, places in found.items()}
    value["against_other_pack"] = exam.names([one for one, _, _ in against])
    ways = [{"ids": exam.names([one, other]), "way": way} for one, other, way in against]
    said = {
        "crossed": "in which the hands are nearer to the body's other wrists: left and right exchanged",
        "turned": "whose right shoulder is at the picture's right: exchanged, or seen from behind",
        "against_signer": "signed with the other hand than the signer's others: exchanged or mirrored, perhaps",
        "against_other_pack": f"of {compared} that another pack holds under the same id show its hands exchanged",
    }
    findings = [
        Finding("warning" if name != "against_signer" else "note", f"{counted(len(names), 'clip')} {said[name]}", names)
        for name, names in value.items()
        if names
    ]
    return Checked({**value, "other_pack": {"compared": compared, "pairs": ways}}, findings)


def _against_signers(exam: Exam) -> Indices:
    """One-handed clips signed with the other hand than nearly all one-handed clips of that signer in that pack."""
    handed = exam.measures.handed
    side = np.where(handed > ONE_HANDED, 1, np.where(handed < 1 - ONE_HANDED, -1, 0))
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for place, (origin, signer) in enumerate(zip(exam.origin.tolist(), exam.text("signer").tolist(), strict=True)):
        if signer and side[place]:
            groups[origin, signer].append(place)
    odd: list[int] = []
    for places in groups.values():
        right = (side[places] > 0).mean()
        if len(places) >= SIGNER_CLIPS and max(right, 1 - right) >= HABIT:
            odd += [place for place in places if (side[place] > 0) != (right > MOST)]
    return np.asarray(sorted(odd), np.int64)


def _against_other_packs(exam: Exam) -> tuple[list[tuple[int, int, str]], int]:
    """Pairs of one id in two packs that agree only if turned, and how many pairs could be compared at all."""
    places: dict[str, list[int]] = defaultdict(list)
    for place in shown(exam.profile).tolist():
        places[str(exam.id[place])].append(place)
    pairs = np.asarray([[group[0], other] for group in places.values() for other in group[1:]], np.int64).reshape(-1, 2)
    count, whole = len(pairs), np.tile(np.asarray([0, 1], np.float32), (len(pairs), 1))
    fits = []
    for way in range(len(WAYS)):
        fit = fit_pairs(exam, Candidates(pairs, np.full(count, way), whole), patient=True)
        fits.append(np.where(fit.both > MOST, np.minimum(fit.moved, fit.placed), 0))
    agreement = np.stack(fits) if count else np.zeros((len(WAYS), 0))
    best = agreement.argmax(axis=0)
    sure = agreement.max(axis=0) >= AGREE
    odd = np.flatnonzero(sure & (best != WAYS.index("same")))
    return [(int(pairs[k, 0]), int(pairs[k, 1]), WAYS[best[k]]) for k in odd.tolist()], int(sure.sum())
