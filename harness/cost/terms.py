"""What a cost rests on besides the rows: prices, the free tier, how fast AWS is, and when a month's items come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from harness.cost.book import PriceBook

# AWS's own pages count a month as 730 hours: 365 days of 24 hours, by 12.
MONTH_H = 730
MONTH_S = MONTH_H * 3600
MONTH_DAYS = MONTH_H / 24
# Fargate, EC2 (Linux) and with them Batch bill by the second, and no less than a minute. Source: AWS Fargate pricing
# and Amazon EC2 on-demand pricing pages, read 2026-11-23.
MINIMUM_S = 60.0
GIB = 2**30
MB_PER_GB = 1024
SHAPES = ("even", "diurnal")


@dataclass(frozen=True, slots=True)
class Shape:
    """When the items of a day come: the share of them in each of its hours, from `hours` active ones.

    `even` spreads them evenly; `diurnal` follows a sine between a fifth and nine fifths of the mean, as traffic of
    people does. ValueError names the allowed values.
    """

    name: str = "even"
    hours: int = 24

    def __post_init__(self) -> None:
        if self.name not in SHAPES or not 1 <= self.hours <= 24:
            raise ValueError(
                f"shape: got {self.name!r} with {self.hours} hours a day, allowed: {SHAPES} and 1 to 24"
            )

    def shares(self) -> tuple[float, ...]:
        """24 shares that add up to 1, those of idle hours 0."""
        swing = 0.8 if self.name == "diurnal" else 0.0
        raw = [1 - swing * math.cos(2 * math.pi * (hour + 0.5) / self.hours) for hour in range(self.hours)]
        return (*(each / sum(raw) for each in raw), *(0.0 for _ in range(24 - self.hours)))

    def busiest(self) -> float:
        """The share of the busiest hour."""
        return max(self.shares())

    def peak_per_s(self, items: float) -> float:
        """Items a second in the busiest hour, of so many a month."""
        return items * self.busiest() / MONTH_DAYS / 3600

    def __str__(self) -> str:
        return f"{self.name}, {self.hours} hours a day"


@dataclass(frozen=True, slots=True)
class Terms:
    """`speed_factor` times a second measured here is a second of AWS; 1 unless it was calibrated."""

    book: PriceBook
    speed_factor: float = 1.0
    free_tier: bool = False
    shape: Shape = field(default_factory=Shape)

    def __post_init__(self) -> None:
        if not 0.001 <= self.speed_factor <= 1000:
            raise ValueError(f"speed_factor: got {self.speed_factor:g}, allowed: 0.001 to 1000")
