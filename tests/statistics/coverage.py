"""Values in blocks that share their luck, of laws whose quantiles are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.statistics import quantile_interval

Law = Literal["lognormal", "exponential"]
LOG_VARIANCE: dict[Law, float] = {"lognormal": 1.0, "exponential": math.pi**2 / 6}


@dataclass(frozen=True)
class Blocks:
    """A law of values, times a lognormal luck a block that accounts for the share `correlation` of log variance."""

    law: Law
    blocks: int
    per_block: int
    correlation: float

    @property
    def luck(self) -> float:
        """Standard deviation of the log luck."""
        return math.sqrt(LOG_VARIANCE[self.law] * self.correlation / (1 - self.correlation))

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(self.blocks), self.per_block)

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        size = self.blocks * self.per_block
        own = rng.lognormal(size=size) if self.law == "lognormal" else rng.exponential(size=size)
        return own * np.exp(self.luck * rng.normal(size=self.blocks))[self.labels]

    def quantile(self, q: float) -> float:
        """Of a value of a block drawn at random."""
        if self.law == "lognormal":
            return float(np.exp(stats.norm.ppf(q) * math.sqrt(1 + self.luck**2)))
        points, weights = np.polynomial.hermite_e.hermegauss(80)
        luck, weights = np.exp(self.luck * points), weights / weights.sum()
        return float(optimize.brentq(lambda t: weights @ (1 - np.exp(-t / luck)) - q, 1e-9, 1e4))


def quantile_coverage(case: Blocks, q: float, trials: int, *, in_blocks: bool) -> float:
    """Share of trials in which the interval holds the true quantile."""
    rng = np.random.default_rng(17)
    truth, labels = case.quantile(q), case.labels if in_blocks else None
    covered = 0
    for _ in range(trials):
        found = quantile_interval(case.draw(rng), q, blocks=labels)
        assert found is not None
        covered += not found.excludes(truth)
    return covered / trials
