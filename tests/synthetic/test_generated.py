"""The generated corpus as clips to pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.synthetic.corpus import SyntheticConfig, synthesise, synthetic_corpus

SMALL = SyntheticConfig(signers=5, glosses=3, clips_per_signer_gloss=2)


def test_clips_keep_their_own_recording_when_read_late() -> None:
    listed = synthetic_corpus(SMALL).samples
    assert len(listed) == 30
    for one, (wanted, row) in zip(listed, synthesise(SMALL), strict=True):
        assert one.id == one.read().id == wanted.id
        np.testing.assert_array_equal(one.read().xy, wanted.xy)
        assert one.row == row


def test_packed(tmp_path: Path) -> None:
    report = write_pack(synthetic_corpus(SMALL).samples, tmp_path / "p")
    pack = Pack(tmp_path / "p")
    assert (report.exit_code, report.glosses, sum(report.clips.values())) == (0, 3, 30)
    assert set(pack.column("split")) == {"train", "val", "test"}
    by_split = {split: set() for split in ("train", "val", "test")}
    for split, signer in zip(pack.column("split"), pack.column("signer"), strict=True):
        by_split[split].add(signer)
    assert sum(map(len, by_split.values())) == len(set.union(*by_split.values())) == 5
    assert set(pack.column("source")) == {"synthetic"}
    assert pack.usable.mean() > 0.9
