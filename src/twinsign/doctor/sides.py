"""Left and right: hands under the opposite hand's name, and mirrored pictures."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from twinsign.doctor.candidates import Candidates
from twinsign.doctor.duplicates import fit_pairs
from twinsign.doctor.exam import CheckResult, Exam, Finding, pluralize, with_clips
from twinsign.doctor.tracks import WAYS, nonempty_profiles

MOST = 0.5
"""Share of a clip's frames above which it counts."""
ONE_HANDED = 0.9
"""Share of the hands' travel above which a clip is signed with that hand."""
SIGNER_CLIPS = 8
"""One-handed clips from which a signer's dominant hand can be told."""
DOMINANT = 0.9
"""Share of these clips signed with one hand that makes it dominant."""
AGREE = 0.9
"""Agreement from which two recordings with one id show one video, turned one of WAYS."""


def sides(exam: Exam) -> CheckResult:
    """`sides`: clips by what is odd: crossed, turned, against_signer, against_other_pack."""
    pairs, compared = _turned_in_other_packs(exam)
    value = {
        "crossed": exam.names(np.flatnonzero(exam.measures.crossed > MOST)),
        "turned": exam.names(np.flatnonzero(exam.measures.turned > MOST)),
        "against_signer": exam.names(_against_signers(exam)),
        "against_other_pack": exam.names([first for first, _, _ in pairs]),
    }
    messages = {
        "crossed": "in which the hands are nearer to the body's opposite wrists: left and right exchanged",
        "turned": "whose right shoulder is at the picture's right: exchanged, or seen from behind",
        "against_signer": "not signed with the signer's dominant hand: perhaps exchanged or mirrored",
        "against_other_pack": f"of {compared} that another pack holds under the same id show its hands exchanged",
    }
    findings = with_clips(
        Finding(
            "note" if kind == "against_signer" else "warning", f"{pluralize(len(ids), 'clip')} {messages[kind]}", ids
        )
        for kind, ids in value.items()
    )
    ways = [{"ids": exam.names([first, second]), "way": way} for first, second, way in pairs]
    return CheckResult({**value, "other_pack": {"compared": compared, "pairs": ways}}, findings)


def _against_signers(exam: Exam) -> list[int]:
    """One-handed clips signed with another hand than nearly all one-handed clips of that signer in that pack."""
    handed = exam.measures.handed
    right_handed, one_handed = handed > ONE_HANDED, (handed > ONE_HANDED) | (handed < 1 - ONE_HANDED)
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for place, key in enumerate(zip(exam.origin.tolist(), exam.text("signer").tolist(), strict=True)):
        if key[1] and one_handed[place]:
            groups[key].append(place)
    odd: list[int] = []
    for places in groups.values():
        right = right_handed[places].mean()
        if len(places) >= SIGNER_CLIPS and max(right, 1 - right) >= DOMINANT:
            odd += [place for place in places if right_handed[place] != (right > MOST)]
    return sorted(odd)


def _turned_in_other_packs(exam: Exam) -> tuple[list[tuple[int, int, str]], int]:
    """Pairs of one id in two packs that agree only if turned, and how many pairs could be compared at all."""
    places: dict[str, list[int]] = defaultdict(list)
    for place in nonempty_profiles(exam.profile).tolist():
        places[str(exam.id[place])].append(place)
    pairs = [(group[0], second) for group in places.values() for second in group[1:]]
    if not pairs:
        return [], 0
    rows, whole = np.asarray(pairs), np.tile(np.asarray([0, 1], np.float32), (len(pairs), 1))
    ways = (np.full(len(pairs), way) for way in range(len(WAYS)))
    fits = [fit_pairs(exam, Candidates(rows, way, whole), patient=True) for way in ways]
    agreement = np.stack([np.where(fit.common > MOST, np.minimum(fit.moved, fit.placed), 0) for fit in fits])
    sure, best = agreement.max(axis=0) >= AGREE, agreement.argmax(axis=0)
    odd = np.flatnonzero(sure & (best != WAYS.index("same")))
    return [(*pairs[k], WAYS[best[k]]) for k in odd.tolist()], int(sure.sum())
