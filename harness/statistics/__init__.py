"""Pure functions on arrays: estimates with intervals, variance components, and whether a series settles.

The unit of inference is the block throughout: requests of one block share its luck.
"""

from __future__ import annotations

from harness.statistics.between import quantile_ratio, rate_ratio, unpaired_ratio
from harness.statistics.components import (
    Components,
    best_items_per_block,
    blocks_for_precision,
    variance_components,
)
from harness.statistics.interval import CONFIDENCE, Interval
from harness.statistics.proportion import proportion_interval
from harness.statistics.quantiles import min_count, quantile_interval
from harness.statistics.ratio import (
    MIN_BLOCKS_FOR_CLAIM,
    RESAMPLES,
    jackknife_interval,
    mann_whitney_p,
    paired_ratio,
)
from harness.statistics.steadiness import Course, Steadiness, course

__all__ = [
    "CONFIDENCE",
    "MIN_BLOCKS_FOR_CLAIM",
    "RESAMPLES",
    "Components",
    "Course",
    "Interval",
    "Steadiness",
    "best_items_per_block",
    "blocks_for_precision",
    "course",
    "jackknife_interval",
    "mann_whitney_p",
    "min_count",
    "paired_ratio",
    "proportion_interval",
    "quantile_interval",
    "quantile_ratio",
    "rate_ratio",
    "unpaired_ratio",
    "variance_components",
]
