"""What else is asked of finished runs, as functions on files: retrieval."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.prepare import Clips
from twinsign.recognise.embed import fastest_device
from twinsign.recognise.evaluate import by_gallery, full_report, load_classifier, score
from twinsign.recognise.metrics import Scored
from twinsign.recognise.retrieve import nearest, prototypes, retrieval_report
from twinsign.recognise.rows import labelled, shared_signers, training_rows
from twinsign.run import load_encoders, load_run

Ranking = Literal["logits", "nearest", "prototype"]
_BY_GALLERY = {"nearest": nearest, "prototype": prototypes}


def retrieve(
    model: str | Path, clips: Clips, splits: list[str], *, gallery: str = "train", by: Ranking | None = None
) -> tuple[dict[str, Any], Scored]:
    """The retrieval report of a RUN on the named splits, and its scores (Desai et al. 2023).

    Glosses are ranked by a classifier's logits, by their nearest gallery clip, or by the mean of their gallery clips.
    """
    run, pack = load_run(model), Pack(clips.data)
    by = by or ("logits" if run.kind == "classifier" else "nearest")
    about: dict[str, Any] = {"by": by, "measures": "retrieval"}
    if by == "logits":
        classifier = load_classifier(run).to(fastest_device())
        asked = labelled(pack, pack.select(splits, clips.where), run.labels)
        scored = score(run, classifier, pack, asked)
    else:
        if gallery in splits:
            raise InputError(f"split {gallery!r} as gallery and as query", "a gallery apart from the clips it answers")
        stored, glosses = training_rows(pack, clips.where, clips.label_fraction, 0, clips.labels_per_class, gallery)
        asked = labelled(pack, pack.select(splits, clips.where), glosses)
        encoders = load_encoders(run).to(fastest_device())
        scored = by_gallery(encoders, pack, stored, asked, glosses, run, _BY_GALLERY[by])
        about |= {"gallery": gallery, "gallery_clips": len(stored.rows)}
        about |= {"signers": shared_signers(pack, asked.rows, pack, stored.rows)}
    whole = full_report(scored, run, pack, asked, splits, clips.where)
    kept = ("split", "where", "split_hash", "data", "handless_clips", "selected_on", "run", "protocol", "recipe")
    context = {name: whole[name] for name in (*kept, "recipe_hash", "seed", "signers")}
    return {**retrieval_report(scored), **context, **about}, scored
