"""Arms against each other over paired blocks, and the intervals of figures that have one entry a block.

Sources:
- Percentile bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; expanded for few
  blocks: Hesterberg, What Teachers Should Know About the Bootstrap (The American Statistician 69, 2015), section 3.3.
- The block, not the request, as unit, and the ratio within it: Kalibera and Jones, Rigorous Benchmarking in
  Reasonable Time (ISMM 2013).
- Jackknife: Efron and Tibshirani (1993), chapter 11.
- Rank test: Mann and Whitney, On a Test of Whether One of Two Random Variables is Stochastically Larger than the
  Other (Annals of Mathematical Statistics 18, 1947).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.interval import CONFIDENCE, Interval

RESAMPLES = 10_000
MIN_BLOCKS_FOR_CLAIM = 10
MIN_FOR_RANKS = 3


def paired_ratio(a: ArrayLike, b: ArrayLike, seed: int, resamples: int = RESAMPLES) -> Interval | None:
    """Median of `a / b` over paired blocks with a 95 % percentile-bootstrap interval; None without a usable pair.

    `a` and `b` are 1-D, equally long, one positive figure a block; a pair in which either is missing or not positive
    is left out. Blocks are what is resampled. With fewer than MIN_BLOCKS_FOR_CLAIM the interval is too narrow to
    carry a claim; a single pair has no interval, so its bounds are NaN. ValueError on unequal shapes.
    """
    top, bottom = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if top.shape != bottom.shape or top.ndim != 1:
        raise ValueError(f"paired_ratio: shapes {top.shape} and {bottom.shape} must be equal and 1-D")
    usable = (top > 0) & (bottom > 0) & np.isfinite(top) & np.isfinite(bottom)
    ratios = top[usable] / bottom[usable]
    if ratios.size == 0:
        return None
    value = float(np.median(ratios))
    if ratios.size == 1:
        return Interval(value, math.nan, math.nan)
    draws = np.random.default_rng(seed).integers(ratios.size, size=(resamples, ratios.size), dtype=np.int32)
    medians = np.median(ratios[draws], axis=1)
    tail = expanded_tail(ratios.size)
    low, high = np.quantile(medians, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def mann_whitney_p(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided p-value of the rank test of two arms' block medians (1-D, any lengths); NaN below 3 finite values.

    A cross-check only: it ignores the pairing, so where blocks differ more than arms do it sees less than
    `paired_ratio`, and a p-value says nothing of how large a difference is.
    """
    from scipy.stats import mannwhitneyu  # noqa: PLC0415  (half a second, and `harness --help` needs none of it)

    first, second = (np.asarray(side, dtype=np.float64) for side in (a, b))
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    if min(first.size, second.size) < MIN_FOR_RANKS:
        return math.nan
    return float(mannwhitneyu(first, second, alternative="two-sided").pvalue)


def jackknife_interval(leave_one_out: ArrayLike, whole: float) -> Interval:
    """A 95 % interval around `whole`, a smooth figure of all blocks, from the same figure without each block in turn.

    `leave_one_out` is 1-D, one estimate a block, in the unit of `whole`; the bounds are Student's t times the
    delete-one standard error away, and NaN with fewer than two blocks. Fit for means, sums and ratios of sums; not
    for a median, whose leave-one-out values take two or three values only.
    """
    from scipy.special import stdtrit  # noqa: PLC0415  (as above)

    without = np.asarray(leave_one_out, dtype=np.float64)
    count = without.size
    if count < 2:
        return Interval(whole, math.nan, math.nan)
    error = math.sqrt((count - 1) / count * float(np.sum((without - without.mean()) ** 2)))
    reach = -float(stdtrit(count - 1, (1 - CONFIDENCE) / 2)) * error
    return Interval(whole, whole - reach, whole + reach)


def expanded_tail(count: int) -> float:
    """Share of resampled medians to leave out on each side: less than nominal for few blocks.

    Resamples vary less than samples do, and a plain percentile interval of 10 blocks covers the truth in 91 to 93 %
    of trials (tests/statistics/test_ratio.py). Student's t in place of the normal law, and n - 1 in place of n, mend
    that.
    """
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415  (as above)

    student = stdtrit(count - 1, (1 - CONFIDENCE) / 2)
    return float(ndtr(math.sqrt(count / (count - 1)) * student))
