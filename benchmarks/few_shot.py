"""Signs known from 1, 2, 5 recordings: accuracy with and without pre-training, and what "not sure" is worth.

    python benchmarks/few_shot.py --model RUN --data PACK [--where wlasl100=0] [--groups COLUMN] [--supervised RUN]

Without --groups: recordings are drawn from train; test is asked, but for copies of train's clips. With it: every clip
is asked of recordings of other groups alone, and groups are what the bootstrap draws. "without" are random encoders
whose norms, and whitening if the RUN has it, know the clips; "dtw" is the nearest clip by dynamic time warping of
normalised joints, nothing learnt, and what the others are paired with, by draw and clip. "supervised" is a
classifier's encoder, taught other signs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import dtw
import numpy as np
import torch
from numpy.typing import NDArray

from twinsign.dictionary.held_out import RANKERS, calibrate_held_out
from twinsign.errors import InputError
from twinsign.files import write_json
from twinsign.inference.embedder import Embedder
from twinsign.nn.whitening import fit_whitening
from twinsign.pack.open import Pack
from twinsign.runs.models import control_encoders
from twinsign.runs.run import Run, load_run
from twinsign.views.batches import ClipReader

Scorer = Callable[[NDArray[np.int64], NDArray[np.int64]], torch.Tensor]
"""From places of asked and of enrolled clips to a score of each gloss (asked, glosses)."""
RESAMPLES = 2000
CONTROLS = 2
"""Random encoders; the draws take them in turn."""
MOST = 5
"""Clips of a group and gloss that take part: a webcam's are much alike."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--supervised", metavar="RUN")
    parser.add_argument("--data", required=True)
    parser.add_argument("--where", nargs="*", default=[])
    parser.add_argument("--groups")
    parser.add_argument("--shots", nargs="+", type=int, default=[1, 2, 5])
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--json", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    clips = chosen(Pack(given.data), given.where, given.groups)
    encoders = vectors_of(given.model, given.supervised, clips)
    report: dict[str, Any] = {"clips": int(clips["asked"].sum()), "glosses": len(set(clips["label"].tolist()))}
    report |= {"groups": len(np.unique(clips["group"][clips["asked"]])), "draws": given.draws, "few": [], "sure": []}
    first: dict[int, NDArray[np.float64]] = {}
    ways: dict[tuple[str, str], list[Scorer]] = {("dtw", "nearest"): [warped(given.model, clips)]}
    ways |= {
        (name, by): [by_vectors(one, clips, by) for one in some] for name, some in encoders.items() for by in RANKERS
    }
    for (name, by), scorers in ways.items():
        for shots in given.shots:
            hits = np.stack([few(scorers[n % len(scorers)], clips, shots, n) for n in range(given.draws)])
            base, groups = first.setdefault(shots, hits), clips["group"][clips["asked"]]
            found = {"encoder": name, "by": by, "shots": shots, **interval("top1", hits, groups)}
            report["few"].append(found | interval("above_dtw", hits - base, groups))
            print(report["few"][-1], flush=True)
    for name, choices in encoders.items():
        for shots in (2, 5, 10**6):
            found = [sure(choices[n % len(choices)], clips, shots, n) for n in range(given.draws)]
            report["sure"].append({"encoder": name, "shots": shots, **summed(found)})
            print(report["sure"][-1], flush=True)
    write_json(given.json, report)


def chosen(pack: Pack, where: list[str], groups: str | None) -> dict[str, Any]:
    """Rows, labels, groups, and which of them may be enrolled, which are asked."""
    rows = pack.select(where=where) if where else np.arange(len(pack))
    rows = rows[pack.usable[rows]]
    gloss = np.asarray(["".join(filter(str.isalnum, one.lower())) for one in np.asarray(pack.column("gloss"))[rows]])
    if groups:
        group = np.asarray(pack.column(groups))[rows]
        several = [one for one in np.unique(gloss) if one and len(set(group[gloss == one])) > 1]
        order = np.random.default_rng(0).permutation(len(rows))
        taken: dict[tuple[str, str], list[int]] = {}
        for place in order.tolist():
            if gloss[place] in several:
                taken.setdefault((gloss[place], group[place]), []).append(place)
        kept = np.sort([place for places in taken.values() for place in places[:MOST]])
        rows, gloss, group = rows[kept], gloss[kept], group[kept]
        enrolled = asked = np.ones(len(rows), bool)
    else:
        split = pack.splits[rows]
        enrolled, asked = split == "train", split == "test"
        known = np.isin(gloss, gloss[enrolled])
        hashes = np.asarray(pack.pose_hashes(rows))
        keep = enrolled | (asked & known & ~np.isin(hashes, hashes[enrolled]))
        rows, gloss, enrolled, asked = rows[keep], gloss[keep], enrolled[keep], asked[keep]
        group = np.asarray(pack.column("id"))[rows]
    label = np.unique(gloss, return_inverse=True)[1]
    return {"pack": pack, "rows": rows, "label": label, "group": group, "enrolled": enrolled, "asked": asked}


def vectors_of(model: str, supervised: str | None, clips: dict[str, Any]) -> dict[str, list[torch.Tensor]]:
    """Unit vectors (N D) of the RUN, of some random encoders and of a classifier's, which may know no asked gloss."""
    run, pack, rows = load_run(model), clips["pack"], clips["rows"]
    reader = ClipReader(pack, rows[clips["enrolled"]], run.recipe.read)
    control = [control_encoders(run.recipe, reader, seed) for seed in range(CONTROLS)]
    each = {"without": [as_whitened(run, one, clips) for one in control], "pre-trained": [Embedder(run)]}
    if supervised is not None:
        other = load_run(supervised)
        seen = sorted({*other.labels} & {*np.asarray(pack.column("gloss"))[rows].tolist()})
        if seen:
            raise InputError(f"glosses that it was trained on, {seen[0]} among them", "other signs", file=other.path)
        each["supervised"] = [Embedder(other)]
    return {name: [torch.from_numpy(one.embed_pack(pack, rows)) for one in some] for name, some in each.items()}


def as_whitened(run: Run, control: torch.nn.ModuleDict, clips: dict[str, Any]) -> Embedder:
    """Random encoders, whose vectors are whitened by the clips that may be enrolled, if the RUN's own are whitened."""
    embedder = Embedder(run, control)
    embedder.whitening = torch.nn.Identity()
    if run.recipe.pretrain.whitening is not None:
        vectors = torch.from_numpy(embedder.embed_pack(clips["pack"], clips["rows"][clips["enrolled"]]))
        embedder.whitening = fit_whitening(vectors, run.recipe.pretrain.whitening)
    return embedder


def drawn(clips: dict[str, Any], shots: int, seed: int, without: Any = None) -> NDArray[np.int64]:
    """Up to `shots` clips of each gloss to enrol, none of the group `without`; one seed's are nested."""
    order = np.random.default_rng(seed).permutation(len(clips["rows"]))
    order = order[clips["enrolled"][order]]
    if without is not None:
        order = order[clips["group"][order] != without]
    label = clips["label"][order]
    rank = np.zeros(len(order), np.int64)
    by_label = np.argsort(label, kind="stable")
    starts = np.r_[0, np.flatnonzero(np.diff(label[by_label])) + 1]
    rank[by_label] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return order[rank < shots]


def by_vectors(vectors: torch.Tensor, clips: dict[str, Any], by: Any) -> Scorer:
    """Scores by an encoder's vectors (N D)."""
    label = torch.from_numpy(clips["label"])
    return lambda asked, gallery: RANKERS[by](vectors[asked], vectors[gallery], label[gallery], int(label.max()) + 1)


def warped(model: str, clips: dict[str, Any]) -> Scorer:
    """Scores by the nearest gallery clip's warped distance; as many frames, cropped as the RUN has them."""
    recipe, label = load_run(model).recipe, torch.from_numpy(clips["label"])
    frames = dtw.frames_of(clips["pack"], clips["rows"], recipe.read, recipe.pretrain.frames)
    asked, enrolled = np.flatnonzero(clips["asked"]), np.flatnonzero(clips["enrolled"])
    far = torch.full((len(label), len(label)), float("inf"))
    far[asked[:, None], enrolled] = dtw.distances(frames[asked], frames[enrolled])

    def score(mine: NDArray[np.int64], gallery: NDArray[np.int64]) -> torch.Tensor:
        scores = torch.full((len(mine), int(label.max()) + 1), float("-inf"))
        return scores.scatter_reduce(1, label[gallery].expand(len(mine), -1), -far[mine][:, gallery], "amax")

    return score


def few(score: Scorer, clips: dict[str, Any], shots: int, seed: int) -> NDArray[np.float64]:
    """Which of the asked clips (N) are named rightly."""
    asked, group = np.flatnonzero(clips["asked"]), clips["group"]
    label, hits = torch.from_numpy(clips["label"]), np.zeros(len(asked))
    apart = not np.array_equal(clips["asked"], clips["enrolled"])
    for one in [None] if apart else np.unique(group[asked]):
        mine = np.ones(len(asked), bool) if apart else group[asked] == one
        scores = score(asked[mine], drawn(clips, shots, seed, one))
        hits[mine] = (scores.argmax(dim=1) == label[asked[mine]]).numpy()
    return hits


def sure(vectors: torch.Tensor, clips: dict[str, Any], shots: int, seed: int) -> NDArray[np.float64]:
    """Half of the glosses enrolled, all asked: known and unknown clips, those answered surely, and of these the right.

    With groups, half of these are enrolled from and the others asked.
    """
    random, label = np.random.default_rng([seed, 1]), clips["label"]
    half = random.permutation(label.max() + 1)[: (label.max() + 1) // 2]
    enrolled, asked = clips["enrolled"].copy(), clips["asked"].copy()
    if np.array_equal(enrolled, asked):
        names = np.unique(clips["group"])
        theirs = np.isin(clips["group"], random.permutation(names)[: len(names) // 2])
        enrolled, asked = enrolled & theirs, asked & ~theirs
    enrolled &= np.isin(label, half)
    gallery = drawn({**clips, "enrolled": enrolled}, shots, seed)
    glosses, places = np.unique(label[gallery], return_inverse=True)
    places_of = torch.from_numpy(places)
    signers = clips["group"][gallery] if np.array_equal(clips["asked"], clips["enrolled"]) else [""] * len(gallery)
    calibration = calibrate_held_out(vectors[gallery], places_of, list(signers), "prototype")
    scores = RANKERS["prototype"](vectors[asked], vectors[gallery], places_of, len(glosses))
    confidence, guess = calibration.confidences(scores).max(dim=1)
    known, trusted = np.isin(label[asked], glosses), (confidence >= calibration.threshold).numpy()
    right = glosses[guess.numpy()] == label[asked]
    counts = (known, ~known, trusted & known, trusted & ~known, trusted & right, right & known)
    return np.asarray([count.sum() for count in counts], float)


def summed(found: list[NDArray[np.float64]]) -> dict[str, Any]:
    known, unknown, sure_known, sure_unknown, right, top1 = np.sum(found, axis=0).tolist()
    return {
        "draws_with_answers": int(sum(one[2] + one[3] > 0 for one in found)),
        "known_asked": known,
        "unknown_asked": unknown,
        "top1_of_known": 100 * top1 / known,
        "answered_of_known": 100 * sure_known / known,
        "answered_of_unknown": 100 * sure_unknown / unknown,
        "answered": sure_known + sure_unknown,
        "right_of_answered": 100 * right / max(sure_known + sure_unknown, 1),
    }


def interval(name: str, hits: NDArray[np.float64], group: NDArray[Any]) -> dict[str, Any]:
    """The mean of (draws, clips) in percent under this name, and its bootstrap over draws and groups of clips."""
    random, (_, place) = np.random.default_rng(0), np.unique(group, return_inverse=True)
    size, sums = np.bincount(place), np.stack([np.bincount(place, row) for row in hits])
    means = []
    for _ in range(RESAMPLES):
        weight = random.multinomial(len(size), np.full(len(size), 1 / len(size)))
        some = sums[random.integers(len(sums), size=len(sums))].mean(axis=0)
        means.append((some * weight).sum() / (size * weight).sum())
    low, high = np.percentile(means, [2.5, 97.5])
    return {name: 100 * float(hits.mean()), f"{name}_interval95": [100 * float(low), 100 * float(high)]}


if __name__ == "__main__":
    main()
