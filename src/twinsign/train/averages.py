"""Means over an epoch, kept on the host as float64 so that they survive a resumption bit for bit."""

from __future__ import annotations

from collections.abc import Mapping


class Averages:
    """Means of named values, each weighted by the clips that it stands for."""

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, int]] = {}

    def add(self, values: Mapping[str, float], clips: int) -> None:
        """Take a batch's values in."""
        for name, value in values.items():
            total, weight = self.sums.get(name, (0.0, 0))
            self.sums[name] = total + value * clips, weight + clips

    def means(self) -> dict[str, float]:
        """Every name's mean."""
        return {name: total / weight for name, (total, weight) in self.sums.items()}

    def clear(self) -> None:
        """Start over."""
        self.sums = {}
