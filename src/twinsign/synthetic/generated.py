"""The generated corpus as clips to pack."""

from __future__ import annotations

from twinsign.datasets.sample import Corpus, Sample
from twinsign.synthetic.corpus import SyntheticConfig, planned


def synthetic_corpus(config: SyntheticConfig) -> Corpus:
    """Every clip of the corpus, generated as it is read."""
    return Corpus([Sample(row["id"], make, row) for row, make in planned(config)])
