"""Glosses that stand for one sign: the same recording under two words, as dictionaries list it."""

from __future__ import annotations

from itertools import combinations

from twinsign.pack.open import Indices, Pack


def glosses_by_poses(pack: Pack, rows: Indices) -> dict[str, set[str]]:
    """The glosses under which these rows show the same poses, bit by bit, by the poses' hash."""
    glosses: dict[str, set[str]] = {}
    for poses, gloss in zip(pack.pose_hashes(rows), pack.table["gloss"].take(rows).to_pylist(), strict=True):
        if gloss:
            glosses.setdefault(poses, set()).add(gloss)
    return glosses


def same_signs(pack: Pack, rows: Indices) -> list[list[str]]:
    """Pairs of glosses under which these rows show bit-identical poses, sorted."""
    shared = glosses_by_poses(pack, rows).values()
    return [list(pair) for pair in sorted({pair for glosses in shared for pair in combinations(sorted(glosses), 2)})]
