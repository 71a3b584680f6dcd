"""The rate of failures over blocks, with an interval that also holds for rates near 0.

Sources:
- Clopper and Pearson, The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial (Biometrika
  26, 1934).
- On the effective sample size: Korn and Graubard, Confidence Intervals for Proportions with Small Expected Number of
  Positive Counts Estimated from Survey Data (Survey Methodology 24, 1998).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.clusters import effective_count
from harness.statistics.interval import CONFIDENCE, Interval


def proportion_interval(failures: ArrayLike, totals: ArrayLike) -> Interval:
    """Failures of all attempts, as a fraction, with a 95 % interval.

    `failures` and `totals` are 1-D counts, one entry a block; blocks without attempts are left out. Failures that
    come in a few blocks are worth fewer independent attempts, see `clusters.effective_count`. If none or all failed,
    or there is one block, nothing is known of blocks, and attempts count as independent. ValueError on unequal
    shapes, on failures below 0 or above the total, and without any attempt.
    """
    from scipy.special import betaincinv  # noqa: PLC0415  (a third of a second, and `harness --help` needs none of it)

    hits, sizes = np.asarray(failures, dtype=np.float64), np.asarray(totals, dtype=np.float64)
    if hits.shape != sizes.shape or hits.ndim != 1:
        raise ValueError(f"proportion_interval: shapes {hits.shape} and {sizes.shape} must be equal and 1-D")
    if not np.all((hits >= 0) & (hits <= sizes)):
        raise ValueError("proportion_interval: failures must lie between 0 and the total of each block")
    if sizes.sum() == 0:
        raise ValueError("proportion_interval: totals sum to 0, so there is no rate")
    rate = float(hits.sum() / sizes.sum())
    trials = effective_count(hits[sizes > 0], sizes[sizes > 0], CONFIDENCE)
    hit, missed, tail = rate * trials, (1 - rate) * trials, (1 - CONFIDENCE) / 2
    low = float(betaincinv(hit, missed + 1, tail)) if rate > 0 else 0.0
    high = float(betaincinv(hit + 1, missed, 1 - tail)) if rate < 1 else 1.0
    return Interval(rate, low, high)
