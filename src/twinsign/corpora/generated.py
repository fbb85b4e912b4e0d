"""The generated corpus as clips to pack."""

from __future__ import annotations

from collections.abc import Iterator

from twinsign.corpora.sample import Sample
from twinsign.corpora.synthetic import SyntheticConfig, synthesise


def synthetic_samples(config: SyntheticConfig) -> tuple[int, Iterator[Sample]]:
    """How many clips the corpus has, and each of them (ours)."""
    count = config.signers * config.glosses * config.clips_per_signer_gloss
    return count, (
        Sample(recording.id, lambda recording=recording: recording, row) for recording, row in synthesise(config)
    )
