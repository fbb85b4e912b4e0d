"""Generated signs: a small language, signers, bodies and a pose estimator, for demos and tests without data."""
