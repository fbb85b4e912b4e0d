"""The generated corpus as clips to pack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from twinsign.corpora.sample import Sample
from twinsign.corpora.synthetic import SyntheticConfig, synthesise
from twinsign.pose.recording import Recording


def synthetic_samples(config: SyntheticConfig) -> tuple[int, Iterator[Sample]]:
    """How many clips the corpus has, and each of them (ours)."""
    count = config.signers * config.glosses * config.clips_per_signer_gloss
    return count, (_sample(recording, row) for recording, row in synthesise(config))


def _sample(recording: Recording, row: Mapping[str, str]) -> Sample:
    return Sample(recording.id, lambda: recording, row)
