"""An estimate with its confidence bounds, and the confidence that all of the harness uses."""

from __future__ import annotations

from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between the bounds of its confidence interval; all in the unit of what was estimated."""

    value: float
    low: float
    high: float

    def excludes(self, point: float) -> bool:
        """Whether `point` lies outside the bounds."""
        return point < self.low or point > self.high
