"""What a classifier says of the same recordings in every form in which it may meet them, beside the form of its tests.

python benchmarks/as_used.py --model RUN --hands PACK --bodies PACK [--split val,test] [--json OUT]

`--hands` and `--bodies` are packs of the same recordings by their ids, by hands alone and with the body. Every row of
the table is the clips that both hold, of signs that the model knows; intervals are Wilson's. Works with RUNs of any
version, so that two versions of the package can be compared.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.evaluation.metrics import wilson_interval
from twinsign.inference.recogniser import Prediction, Recogniser
from twinsign.pack.open import Pack
from twinsign.pose.corruptions import mirror_camera
from twinsign.pose.layout import HANDS, INDEX, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.pose.recording import Recording
from twinsign.pose.trim import FPS
from twinsign.streaming.stream import Stream

AT_ONCE = 64
WRISTS = (INDEX["left_wrist"], INDEX["right_wrist"])
Form = Callable[[Recording, np.random.Generator], Recording]


def unseen(one: Recording, joints: Any) -> Recording:
    """The recording without these joints."""
    score = one.score.copy()
    score[:, joints] = 0
    return replace(one, score=score)


def wrists_alone(one: Recording, random: np.random.Generator) -> Recording:
    """Of the trunk the wrists alone."""
    return unseen(one, [joint for joint in range(TRUNK.start, TRUNK.stop) if joint not in WRISTS])


def every(one: Recording, step: int) -> Recording:
    """Every `step`-th frame."""
    return replace(one, xy=one.xy[::step], score=one.score[::step], fps=(one.fps or FPS) / step)


def twice_as_fast(one: Recording, random: np.random.Generator) -> Recording:
    """Twice the frames, those between interpolated where both neighbours show the joint."""
    frames = len(one.xy)
    place = np.arange(2 * frames - 1) / 2
    low, high = np.floor(place).astype(int), np.ceil(place).astype(int)
    score = np.minimum(one.score[low], one.score[high])
    return replace(one, xy=(one.xy[low] + one.xy[high]) / 2, score=score, fps=2 * (one.fps or FPS))


def mirrored(one: Recording, random: np.random.Generator) -> Recording:
    """As a mirroring camera shows it."""
    return mirror_camera(one, 1.0, random)


def with_rest(one: Recording, random: np.random.Generator) -> Recording:
    """A second before and after in which the body stays and no hand is seen."""
    still = [np.repeat(one.xy[[end]], int(FPS), axis=0) for end in (0, -1)]
    seen = [np.repeat(one.score[[end]], int(FPS), axis=0) for end in (0, -1)]
    for score in seen:
        score[:, HANDS] = 0
    return replace(
        one,
        xy=np.concatenate([still[0], one.xy, still[1]]),
        score=np.concatenate([seen[0], one.score, seen[1]]),
    )


def wrists_below(one: Recording, random: np.random.Generator) -> Recording:
    """The trunk's wrists guessed far below the picture wherever their hand is not seen."""
    xy, score = one.xy.copy(), one.score.copy()
    for wrist, hand in (("left_wrist", LEFT_HAND), ("right_wrist", RIGHT_HAND)):
        hidden = ~one.seen[:, hand].any(axis=1) & one.seen[:, INDEX[wrist]]
        xy[hidden, INDEX[wrist], 1] = 1.4
    return replace(one, xy=xy, score=score)


def upright(one: Recording, random: np.random.Generator) -> Recording:
    """As an upright phone films it, 9 : 16 of a scene that is 1.3 times as high as the landscape picture, 4 : 3."""
    scale = np.float32([4 / 3 / (1.3 * 9 / 16), 1 / 1.3])
    xy = 0.5 + (one.xy - 0.5) * scale
    inside = ((xy >= 0) & (xy <= 1)).all(axis=2)
    return replace(one, xy=xy, score=np.where(inside, one.score, 0), size=(720, 1280))


def unsure_trunk(one: Recording, random: np.random.Generator) -> Recording:
    """The trunk with scores, as MediaPipe's visibility: elbows and wrists 0.4, the others 0.99."""
    score = one.score.copy()
    score[:, TRUNK] *= np.float32(0.99)
    score[:, [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("elbow", "wrist")]] *= np.float32(
        0.4
    )
    return replace(one, score=score)


def in_float32(one: Recording, random: np.random.Generator) -> Recording:
    """Places between float16's, as a file or a camera gives them."""
    step = np.spacing(one.xy.astype(np.float16)).astype(np.float32)
    return replace(one, xy=np.where(one.seen[..., None], one.xy + (random.random(one.xy.shape) - 0.5) * 0.98 * step, 0))


def cut(one: Recording, random: np.random.Generator) -> Recording:
    """Without the first and last tenth of the frames that show a hand."""
    frames = np.flatnonzero(one.seen[:, HANDS].any(axis=1))
    least, most = frames[len(frames) // 10], frames[-1 - len(frames) // 10]
    return replace(one, xy=one.xy[least : most + 1], score=one.score[least : most + 1])


def shuffled(one: Recording, random: np.random.Generator) -> Recording:
    """The joints in another order, the same throughout the clip."""
    order = random.permutation(one.xy.shape[1])
    return replace(one, xy=one.xy[:, order], score=one.score[:, order])


HAND_FORMS: dict[str, Form] = {
    "hands, as packed": lambda one, random: one,
    "hands, float32": in_float32,
    "hands, 640 x 480 stated": lambda one, random: replace(one, size=(640, 480)),
    "hands, 1280 x 720 stated": lambda one, random: replace(one, size=(1280, 720)),
    "hands, upright phone": upright,
    "hands, every second frame": lambda one, random: every(one, 2),
    "hands, every third frame": lambda one, random: every(one, 3),
    "hands, twice the frames": twice_as_fast,
    "hands, a tenth cut at both ends": cut,
    "hands, mirrored": mirrored,
    "hands, joints shuffled": shuffled,
}
BODY_FORMS: dict[str, Form] = {
    "body, as it is": lambda one, random: one,
    "body, wrists alone": wrists_alone,
    "body, no trunk": lambda one, random: unseen(one, TRUNK),
    "body, float32": in_float32,
    "body, 640 x 480 stated": lambda one, random: replace(one, size=(640, 480)),
    "body, elbows and wrists of score 0.4": unsure_trunk,
    "body, wrists guessed below": wrists_below,
    "body, a second of rest at both ends": with_rest,
    "body, mirrored": mirrored,
    "body, joints shuffled": shuffled,
}


def streamed(recogniser: Recogniser, one: Recording) -> Prediction | None:
    """The answer to the longest sign that the live segmenter finds, None where it finds none."""
    stream = Stream(recogniser.predict, size=one.size, every=np.inf)
    signs, one = [], one.fractions()
    for frame in range(len(one.xy)):
        signs += stream.push(frame / (one.fps or FPS), one.xy[frame], one.score[frame])
    signs = [sign for sign in [*signs, *stream.finish()] if sign.ended]
    return max(signs, key=lambda sign: sign.end - sign.begin).answer if signs else None


def row(name: str, answers: list[Prediction | None], glosses: list[str]) -> dict[str, Any]:
    """Top-1 and top-5, sure answers and right ones among them, in percent; no answer is a wrong and unsure one."""
    guessed = [[guess.gloss for guess in one.guesses] if one else [] for one in answers]
    right = np.array([names[:1] == [gloss] for names, gloss in zip(guessed, glosses, strict=True)])
    near = np.array([gloss in names[:5] for names, gloss in zip(guessed, glosses, strict=True)])
    sure = np.array([bool(one and one.sure) for one in answers])
    return {
        "form": name,
        "clips": len(glosses),
        "top1": round(100 * right.mean(), 1),
        "interval95": [round(100 * share, 1) for share in wilson_interval(int(right.sum()), len(right))],
        "top5": round(100 * near.mean(), 1),
        "sure": round(100 * sure.mean(), 1),
        "right_of_sure": round(100 * right[sure].mean(), 1) if sure.any() else None,
    }


def measured(recogniser: Recogniser, hands: list[Recording], bodies: list[Recording], glosses: list[str]) -> list[Any]:
    """A row of the table for each form."""
    rows = []
    for forms, clips in ((HAND_FORMS, hands), (BODY_FORMS, bodies)):
        for name, form in forms.items():
            random = np.random.default_rng(0)
            changed = [form(one, random) for one in clips]
            answers: list[Prediction | None] = []
            for first in range(0, len(changed), AT_ONCE):
                part = changed[first : first + AT_ONCE]
                shown = [one for one in part if one.seen[:, HANDS].any()]
                said = iter(recogniser.predict_many(shown, 5))
                answers += [next(said) if one.seen[:, HANDS].any() else None for one in part]
            rows.append(row(name, answers, glosses))
            print(line(rows[-1]), flush=True)
        name = f"{'hands' if clips is hands else 'body'}, live segmenter at {FPS:.0f} frames/s"
        rows.append(row(name, [streamed(recogniser, one) for one in clips], glosses))
        print(line(rows[-1]), flush=True)
    return rows


def line(one: dict[str, Any]) -> str:
    """A row of the Markdown table."""
    low, high = one["interval95"]
    numbers = f"{one['top1']} [{low}, {high}] | {one['top5']} | {one['sure']} | {one['right_of_sure']}"
    return f"| {one['form']} | {numbers} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--hands", required=True)
    parser.add_argument("--bodies", required=True)
    parser.add_argument("--split", default="val,test")
    parser.add_argument("--json")
    given = parser.parse_args()
    recogniser = Recogniser.load(given.model)
    packs = [Pack([given.hands]), Pack([given.bodies])]
    chosen = [pack.select(given.split.split(",")) for pack in packs]
    places = [
        dict(zip(pack.table["id"].take(rows).to_pylist(), rows.tolist(), strict=True))
        for pack, rows in zip(packs, chosen, strict=True)
    ]
    known = {*recogniser.run.labels}
    ids = [
        id
        for id, place in places[0].items()
        if id in places[1]
        and packs[0].table["gloss"][place].as_py() in known
        and all(pack.usable[mine[id]] for pack, mine in zip(packs, places, strict=True))
    ]
    hands, bodies = ([pack.recording(mine[id]) for id in ids] for pack, mine in zip(packs, places, strict=True))
    glosses = [packs[0].table["gloss"][places[0][id]].as_py() for id in ids]
    print(f"{len(ids)} clips\n\n| form | top-1 [95 %] | top-5 | sure | right of the sure |\n|---|---|---|---|---|")
    rows = measured(recogniser, hands, bodies, glosses)
    if given.json:
        Path(given.json).write_text(json.dumps({"model": given.model, "clips": len(ids), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
