"""A clip of a pack, found by id or index, as panels ready to draw."""

from __future__ import annotations

from difflib import get_close_matches

from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.report.skeletons import Panel, clip_panel, view_panel
from twinsign.runs.recipe import Recipe
from twinsign.views.augment import random_view
from twinsign.views.batches import clips_of, generator_at

NEAR = 8
"""Ids listed where one was not found."""


def row_of(pack: Pack, id: str | None, index: int | None) -> int:
    """The row of a clip by id or by place; InputError names ids like it, or how many there are."""
    if (id is None) == (index is None):
        raise InputError("an id and an index" if id is not None else "neither id nor index", "one of them")
    if index is not None:
        if not 0 <= index < len(pack):
            raise InputError(f"index {index}", f"0 to {len(pack) - 1}", file=pack.paths[0])
        return index
    ids: list[str] = pack.column("id")
    if id not in ids:
        near = [one for one in ids if str(id).lower() in one.lower()][:NEAR]
        near = near or get_close_matches(str(id), ids, NEAR, 0.5)
        hint = f"Near: {', '.join(near)}." if near else f"The first: {', '.join(ids[:NEAR])}."
        raise InputError(f"no clip {id!r}", f"one of {len(ids)} ids", file=pack.paths[0], hint=hint)
    return ids.index(id)


def panels(pack: Pack, row: int, recipe: Recipe, views: int = 0, seed: int = 0) -> list[Panel]:
    """A clip as it was recorded, or that many random views of it as pre-training draws them, ready to draw."""
    recording = pack.recording(row)
    about = [pack.table[name][row].as_py() for name in ("gloss", "split")]
    title = ", ".join([recording.id, *(one for one in about if one)])
    if not views:
        return [clip_panel(recording.xy, recording.seen, recording.size, title)]
    clips, generator = clips_of([recording], recipe.read), generator_at(seed, row)
    drawn = [random_view(clips, recipe.pretrain.augment, recipe.pretrain.frames, generator) for _ in range(views)]
    return [
        view_panel(one.xy[0].numpy(), one.seen[0].numpy(), f"view {n} of {title}") for n, one in enumerate(drawn, 1)
    ]
