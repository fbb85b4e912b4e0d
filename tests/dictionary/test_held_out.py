"""A dictionary's calibration against a slow version: whose recordings each of its own is looked up among."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from twinsign.dictionary import held_out
from twinsign.dictionary.calibration import OpenCalibration, fit_open_set
from twinsign.dictionary.held_out import RANKERS, Ranking, calibrate_held_out


def recordings(glosses: int, each: int, seed: int = 0, spread: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors (N D) around one centre a gloss, and labels (N)."""
    drawn = torch.Generator().manual_seed(seed)
    labels = torch.arange(glosses).repeat_interleave(each)
    centres = torch.randn(glosses, 12, generator=drawn)
    return F.normalize(centres[labels] + spread * torch.randn(len(labels), 12, generator=drawn), dim=1), labels


def slow_similarity(vectors: torch.Tensor, labels: torch.Tensor, row: int, kept: list[int], by: Ranking) -> list[float]:
    """Of one recording to every gloss, by the recordings that are kept; -1 for a gloss that none of them shows."""
    values = []
    for gloss in range(int(labels.max()) + 1):
        mine = vectors[[other for other in kept if labels[other] == gloss]]
        if not len(mine):
            values.append(-1.0)
        elif by == "nearest":
            values.append(float((mine @ vectors[row]).max()))
        else:
            middle = mine.mean(dim=0)
            values.append(float(middle @ vectors[row] / middle.norm()))
    return values


def assert_same(found: OpenCalibration, wanted: OpenCalibration) -> None:
    assert found.recordings == wanted.recordings
    for name in ("sharpness", "none", "threshold"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("by", RANKERS)
def test_a_named_signers_recordings_are_looked_up_among_other_signers_alone(by: Ranking) -> None:
    vectors, labels = recordings(5, 8)
    # Gloss 4 is known of one signer alone; somebody unnamed signs some of each.
    names = ["" if n % 8 == 7 else "only" if n >= 32 else f"signer{n % 3}" for n in range(40)]
    asked = [n for n in range(32) if names[n]]
    similarity = [
        slow_similarity(vectors, labels, n, [m for m in range(40) if names[m] not in ("", names[n])], by) for n in asked
    ]
    wanted = fit_open_set(torch.tensor(similarity), labels[asked])
    assert_same(calibrate_held_out(vectors, labels, names, by), wanted)


@pytest.mark.parametrize("by", RANKERS)
@pytest.mark.parametrize("names", [[""] * 24, ["me"] * 24, ["a", "b"] + [""] * 22])
def test_without_other_signers_each_is_looked_up_among_all_others(by: Ranking, names: list[str]) -> None:
    vectors, labels = recordings(6, 4)
    similarity = [slow_similarity(vectors, labels, n, [m for m in range(24) if m != n], by) for n in range(24)]
    # The prototypes of other glosses hold all their recordings either way.
    wanted = fit_open_set(torch.tensor(similarity), labels)
    assert_same(calibrate_held_out(vectors, labels, names, by), wanted)


def test_a_signers_manner_does_not_make_it_sure() -> None:
    """Signers who sign each alike and unlike one another: sure if asked by themselves, never by a stranger."""
    drawn = np.random.default_rng(0)
    manner, gloss = drawn.normal(size=(4, 12)), drawn.normal(size=(10, 12))
    rows = [(s, g) for s in range(4) for g in range(10) for _ in range(3)]
    # What a sign looks like depends on who signs it: each signer has glosses of their own.
    own = {(s, g): drawn.normal(size=12) for s in range(4) for g in range(10)}
    x = np.stack([own[s, g] + manner[s] + 0.3 * gloss[g] + 0.05 * drawn.normal(size=12) for s, g in rows])
    vectors = F.normalize(torch.from_numpy(x).float(), dim=1)
    labels, names = torch.tensor([g for _, g in rows]), [f"signer{s}" for s, _ in rows]
    assert calibrate_held_out(vectors, labels, [""] * len(rows), "nearest").threshold <= 1
    assert calibrate_held_out(vectors, labels, names, "nearest").threshold > 1


def test_large_dictionaries_are_fitted_on_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = recordings(10, 6)
    monkeypatch.setattr(held_out, "MAX_QUERIES", 20)
    assert calibrate_held_out(vectors, labels, [""] * 60, "prototype").recordings == 20
    assert calibrate_held_out(vectors, labels, [f"s{n}" for n in range(60)], "prototype").recordings == 20


def test_too_few_recordings_fit_nothing() -> None:
    vectors, labels = recordings(4, 2)
    assert calibrate_held_out(vectors, labels, [""] * 8, "prototype") == OpenCalibration()
    assert calibrate_held_out(vectors[:0], labels[:0], [], "prototype") == OpenCalibration()
