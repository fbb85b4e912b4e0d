"""From a pack to batches: which frames are kept, in which order clips come, and that the order can be continued."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.recordings import SIZES, packed, recording
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pose.recording import Recording
from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader, collate_recordings, seeded_generator
from twinsign.views.clips import Clips
from twinsign.views.config import CropConfig, ReadConfig
from twinsign.views.crop import active_frames, crop, strided

CLIPS = 23
FEW_CORES = "ignore:This DataLoader will create"
masks = st.lists(st.lists(st.booleans(), min_size=1, max_size=9), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    rng = np.random.default_rng(0)
    sizes = [None if size == (1, 1) else size for size in SIZES]
    lengths = [1, 40, *rng.integers(1, 12, CLIPS - 2)]
    return [
        recording(rng, f"clip{number}", int(frames), scored=number % 2 == 0, size=sizes[number % 3])
        for number, frames in enumerate(lengths)
    ]


@pytest.fixture(scope="module")
def pack(recordings: list[Recording], tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return packed(tmp_path_factory.mktemp("batches") / "all.pack", recordings)


def end_to_end(clips: list[list[bool]]) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Flags of all frames (F), the clip of each (F), and how many clips there are."""
    owner = torch.repeat_interleave(torch.tensor([len(clip) for clip in clips]))
    return torch.tensor([one for clip in clips for one in clip]), owner, len(clips)


def split(flat: torch.Tensor, clips: list[list[bool]]) -> list[list[bool]]:
    return [part.tolist() for part in flat.split([len(clip) for clip in clips])]


def slow_active(active: list[bool], inner: bool) -> list[bool]:
    """One clip: the active frames, or all from the first to the last of them; all where none is."""
    places = [frame for frame, one in enumerate(active) if one]
    if not places:
        return [True] * len(active)
    return [one if inner else places[0] <= frame <= places[-1] for frame, one in enumerate(active)]


def slow_strided(keep: list[bool], longest: int) -> list[bool]:
    """One clip: every n-th kept frame, for the first n that leaves few enough."""
    places = [frame for frame, one in enumerate(keep) if one]
    step = next(step for step in range(1, len(keep) + 2) if len(places[::step]) <= longest)
    return [frame in places[::step] for frame in range(len(keep))]


@given(masks, st.booleans())
def test_active_frames(clips: list[list[bool]], inner: bool) -> None:
    found = active_frames(*end_to_end(clips), inner)
    assert split(found, clips) == [slow_active(clip, inner) for clip in clips]


@given(masks, st.integers(1, 10))
def test_strided(clips: list[list[bool]], longest: int) -> None:
    found = strided(*end_to_end(clips), longest)
    assert split(found, clips) == [slow_strided(clip, longest) for clip in clips]


def test_a_long_clip_is_strided_evenly() -> None:
    found = strided(*end_to_end([[True] * 301]), 150)
    assert found.nonzero().flatten().tolist() == list(range(0, 301, 3))
    assert strided(*end_to_end([[True] * 150]), 150).all()


CONFIGS = {
    "trim": ReadConfig(),
    "drop": ReadConfig(idle="drop", longest=7),
    "keep": ReadConfig(idle="keep", crop=CropConfig(min_score=0.4)),
    "released": ReadConfig(idle="drop", longest=150),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_batch_is_its_clips_cropped_one_by_one(pack: Pack, recordings: list[Recording], name: str) -> None:
    config, rows = CONFIGS[name], np.random.default_rng(1).permutation(CLIPS)
    labels = np.arange(CLIPS) * 10
    reader = ClipReader(pack, rows, config, labels[rows].tolist())
    batch = reader.__getitems__(list(range(5, 15)))
    assert batch.index.tolist() == rows[5:15].tolist()
    assert batch.label.tolist() == labels[rows[5:15]].tolist()
    assert len(reader) == CLIPS
    assert len(batch) == 10
    for place, row in enumerate(rows[5:15]):
        one = recordings[row]
        size = np.tile(np.float32(one.size or (1, 1)), (len(one.xy), 1))
        # A pack holds scores in 255 steps.
        score = np.round(one.score * 255).astype(np.float32) / 255
        wanted = crop(*(torch.from_numpy(given) for given in (one.xy, score, size)), config.crop)
        keep = [True] * len(one.xy)
        if config.idle != "keep":
            keep = slow_active(wanted.has_box.any(dim=1).tolist(), config.idle == "drop")
        keep = slow_strided(keep, config.longest or len(keep))
        first, count = int(batch.start[place]), int(batch.length[place])
        assert count == sum(keep)
        assert torch.equal(batch.xy[first : first + count], wanted.xy[torch.tensor(keep)])
        assert torch.equal(batch.seen[first : first + count], wanted.seen[torch.tensor(keep)])


def test_one_clip_and_recordings_without_a_pack(pack: Pack, recordings: list[Recording]) -> None:
    chosen = [number for number in range(CLIPS) if number % 2]
    one = collate_recordings([recordings[number] for number in chosen], ReadConfig())
    two = ClipReader(pack, np.asarray(chosen), ReadConfig()).__getitems__(list(range(len(chosen))))
    for name in ("xy", "seen", "start", "length"):
        assert torch.equal(vars(one)[name], vars(two)[name])
    assert set(one.label.tolist()) == set(two.label.tolist()) == {-1}
    assert set(one.index.tolist()) == {-1}
    alone = ClipReader(pack, np.asarray(chosen), ReadConfig())[3]
    inside = slice(int(two.start[3]), int(two.start[3] + two.length[3]))
    assert torch.equal(alone.xy, two.xy[inside])


def test_pixels_are_read_as_fractions(recordings: list[Recording]) -> None:
    one = next(each for each in recordings if each.size)
    pixels = Recording(one.id, one.xy * np.float32(one.size), one.score, "pixel", one.size)
    torch.testing.assert_close(
        collate_recordings([pixels], ReadConfig()).xy, collate_recordings([one], ReadConfig()).xy
    )


@given(st.integers(1, 40), st.integers(1, 50), st.booleans(), st.integers(0, 9), st.integers(0, 3))
def test_an_epoch_visits_every_clip_once(count: int, size: int, drop_last: bool, seed: int, epoch: int) -> None:
    batches = ClipBatchSampler(count, size, seed=seed, shuffle=True, drop_last=drop_last)
    batches.epoch = epoch
    found = list(batches)
    size = min(size, count)
    assert len(found) == len(batches)
    assert all(len(one) == size for one in found[:-1])
    places = [place for one in found for place in one]
    assert len(set(places)) == len(places)
    assert set(places) <= set(range(count))
    assert len(places) == (count // size * size if drop_last else count)
    assert list(batches) == found


@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 4), st.booleans())
def test_the_parts_of_processes_are_the_batches_of_one(count: int, size: int, parts: int, drop_last: bool) -> None:
    whole = ClipBatchSampler(count, size, shuffle=True, drop_last=drop_last)
    if min(size, count) < parts:
        with pytest.raises(InputError, match=f"each of {parts} processes"):
            ClipBatchSampler(count, size, shuffle=True, part=(0, parts))
        return
    shared = [
        ClipBatchSampler(count, size, shuffle=True, drop_last=drop_last, part=(rank, parts)) for rank in range(parts)
    ]
    found = [list(one) for one in shared]
    assert [len(one) for one in shared] == [len(one) for one in found]
    for number, batch in enumerate(whole):
        mine = [one[number] for one in found if number < len(one)]
        assert [clip for one in mine for clip in one] == batch
        for batches, clips in zip(shared, mine, strict=False):
            first, total = batches.place(number)
            assert total == len(batch)
            assert batch[first : first + len(clips)] == clips


@pytest.mark.parametrize(("count", "size"), [(0, 4), (4, 0)])
def test_no_batches_of_nothing(count: int, size: int) -> None:
    with pytest.raises(InputError, match=f"batches of {size} out of {count} clips"):
        ClipBatchSampler(count, size, shuffle=True)


def test_orders_differ_by_epoch_and_seed_alone() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        batches = ClipBatchSampler(CLIPS, 4, seed=seed, shuffle=True)
        batches.epoch = epoch
        return list(batches)

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 1) != order(1, 0)
    plain = ClipBatchSampler(5, 2, shuffle=False)
    assert list(plain) == [[0, 1], [2, 3], [4]]


def loader(pack: Pack, *, drop_last: bool = False, workers: int = 0, seed: int = 3) -> ClipLoader:
    reader = ClipReader(pack, np.arange(len(pack)), ReadConfig())
    return ClipLoader(
        reader, ClipBatchSampler(len(reader), 4, seed=seed, shuffle=True, drop_last=drop_last), workers=workers
    )


def stream(source: ClipLoader) -> Iterator[Clips]:
    while True:
        epoch = iter(source)
        yield next(epoch)
        yield from epoch


def taken(source: ClipLoader, count: int) -> list[list[int]]:
    batches = stream(source)
    return [next(batches).index.tolist() for _ in range(count)]


@pytest.mark.parametrize("drop_last", [False, True])
def test_a_continued_order_is_the_order_that_would_have_come(pack: Pack, drop_last: bool) -> None:
    whole = taken(loader(pack, drop_last=drop_last), 15)
    length = len(loader(pack, drop_last=drop_last))
    assert length == (5 if drop_last else 6)
    for stop in range(15):
        first, second = loader(pack, drop_last=drop_last), loader(pack, drop_last=drop_last)
        assert taken(first, stop) == whole[:stop]
        state = first.state_dict()
        assert state == {"epoch": stop // length, "done": stop % length}
        second.load_state_dict(state)
        assert taken(second, 15 - stop) == whole[stop:]
        assert taken(first, 15 - stop) == whole[stop:]
        second.go_to(stop)
        assert second.state_dict() == state
        assert taken(second, 15 - stop) == whole[stop:]


def test_an_epoch_ends_where_it_ends(pack: Pack) -> None:
    source = loader(pack)
    taken(source, 4)
    assert [len(batch) for batch in source] == [4, 3]
    assert sorted(row for batch in source for row in batch.index.tolist()) == list(range(CLIPS))


@pytest.mark.filterwarnings(FEW_CORES)
def test_workers_change_nothing(pack: Pack) -> None:
    alone, two = loader(pack), loader(pack, workers=2)
    for _ in range(2):
        for one, other in zip(alone, two, strict=True):
            for name, value in vars(one).items():
                assert torch.equal(value, vars(other)[name])
    taken(alone, 2)
    taken(two, 2)
    assert alone.state_dict() == two.state_dict() == {"epoch": 2, "done": 2}
    assert taken(two, 9) == taken(alone, 9)


def test_a_reader_sent_to_another_process_opens_the_pack_itself(pack: Pack, tmp_path: Path) -> None:
    reader = ClipReader(pack, np.arange(CLIPS), ReadConfig())
    sent = pickle.dumps(reader)
    assert len(sent) < 3000 < pack.paths[0].stat().st_size
    again = pickle.loads(sent).__getitems__([3, 1])
    assert torch.equal(again.xy, reader.__getitems__([3, 1]).xy)


def test_generators_depend_on_seed_and_place_alone() -> None:
    places = [(seed, *place) for seed in range(3) for place in [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2**40)]]
    drawn = {place: torch.rand(3, generator=seeded_generator(*place)).tolist() for place in places}
    state = torch.get_rng_state()
    assert len({tuple(values) for values in drawn.values()}) == len(places)
    for place in reversed(places):
        assert torch.rand(3, generator=seeded_generator(*place)).tolist() == drawn[place]
    assert torch.equal(torch.get_rng_state(), state)
    many = torch.stack([torch.rand(2, generator=seeded_generator(0, step)) for step in range(2000)])
    assert abs(float(torch.corrcoef(many.T)[0, 1])) < 0.08
    neighbours = torch.stack([many[:-1, 0], many[1:, 0]])
    assert abs(float(torch.corrcoef(neighbours)[0, 1])) < 0.08
