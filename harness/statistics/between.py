"""Two runs that were made apart: ratios of their figures, with intervals from resampling the blocks of each.

Sources:
- Two samples, each resampled by itself: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 8.3.
- Ratio of two rates, given their sum: Przyborowski and Wilenski, Homogeneity of Results in Testing Samples from
  Poisson Series (Biometrika 31, 1940), with Clopper and Pearson's bounds.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.statistics.clusters import block_codes, effective_count
from harness.statistics.interval import CONFIDENCE, Interval
from harness.statistics.quantiles import min_count
from harness.statistics.ratio import RESAMPLES, expanded_tail

# Thresholds at which a resampled quantile is looked for. All values where there are no more; else this many of them.
GRID = 1_000

Draws = NDArray[np.int64]


def unpaired_ratio(a: ArrayLike, b: ArrayLike, seed: int, resamples: int = RESAMPLES) -> Interval | None:
    """Median of `a` over median of `b` with a 95 % percentile-bootstrap interval; None where a side has no figure.

    `a` and `b` are 1-D of any lengths, one positive figure a block; missing and other ones are left out. The blocks
    of each side are resampled by themselves, since runs made apart share none. A side of a single block has no
    interval, so the bounds are NaN. Resampled medians of two sides vary a little more than true ones do, which makes up
    for few blocks: 10 to 40 on a side are covered in 96 to 98 %, without the expansion that `paired_ratio` needs.
    """
    top, bottom = (_positive(side) for side in (a, b))
    if not top.size or not bottom.size:
        return None
    value = float(np.median(top) / np.median(bottom))
    if min(top.size, bottom.size) == 1:
        return Interval(value, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    medians = [np.median(side[_draws(rng, side.size, resamples)], axis=1) for side in (top, bottom)]
    return _interval(value, medians[0] / medians[1], (1 - CONFIDENCE) / 2)


def quantile_ratio(
    a: ArrayLike, a_blocks: ArrayLike, b: ArrayLike, b_blocks: ArrayLike, q: float, seed: int, *, paired: bool,
    resamples: int = RESAMPLES,
) -> Interval | None:  # fmt: skip
    """The `q` quantile of all of `a` over that of all of `b`; None below `min_count(q)` values on a side.

    Values are 1-D and positive, labels as long and whole. Blocks are resampled with all their values: each side by
    itself, or, if `paired`, the same labels on both, for which both must have the same. ValueError if they do not.
    As a few unlucky blocks decide such a quantile, the interval is expanded as that of `paired_ratio`: it covers 94 to
    98 %, and up to 99 % for few items in pairs.
    """
    sides = [_Pooled(values, blocks, q) for values, blocks in ((a, a_blocks), (b, b_blocks))]
    if paired and not np.array_equal(sides[0].labels, sides[1].labels):
        raise ValueError("quantile_ratio: paired sides must have the same blocks")
    if min(side.count for side in sides) < min_count(q):
        return None
    value = sides[0].whole / sides[1].whole
    fewest = min(side.labels.size for side in sides)
    if fewest == 1:
        return Interval(value, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    first = _draws(rng, sides[0].labels.size, resamples)
    second = first if paired else _draws(rng, sides[1].labels.size, resamples)
    return _interval(value, sides[0].resampled(first) / sides[1].resampled(second), expanded_tail(fewest))


def rate_ratio(
    a_hits: ArrayLike, a_totals: ArrayLike, b_hits: ArrayLike, b_totals: ArrayLike
) -> Interval | None:
    """Rate of `a` over that of `b` with a 95 % interval; None where neither has a hit or one has no trial.

    Counts are 1-D, one entry a block. Hits that come in a few blocks are worth fewer, see `clusters.effective_count`.
    Without a hit in `b` the ratio and its upper bound are infinite. Hits count as Poisson, which is exact for rare
    ones and errs towards wide intervals for others.
    """
    from scipy.special import betaincinv  # noqa: PLC0415  (a third of a second, and `harness --help` needs none of it)

    counts = [np.asarray(side, dtype=np.float64) for side in (a_hits, a_totals, b_hits, b_totals)]
    (a_rate, a_worth), (b_rate, b_worth) = _rate(*counts[:2]), _rate(*counts[2:])
    a_hit, b_hit = a_rate * a_worth, b_rate * b_worth
    if not a_worth or not b_worth or a_hit + b_hit == 0:
        return None
    tail = (1 - CONFIDENCE) / 2
    # Of all hits the share that is `a`'s at the least, and that which is `b`'s: what is left is `a`'s at the most.
    a_least = float(betaincinv(a_hit, b_hit + 1, tail)) if a_hit else 0.0
    b_least = float(betaincinv(b_hit, a_hit + 1, tail)) if b_hit else 0.0
    scale = b_worth / a_worth
    low = a_least / (1 - a_least) * scale
    high = (1 - b_least) / b_least * scale if b_least else math.inf
    return Interval(a_rate / b_rate if b_rate else math.inf, low, high)


class _Pooled:
    """Values of one side in blocks, ready for the quantile of any resample of its blocks."""

    def __init__(self, values: ArrayLike, blocks: ArrayLike, q: float) -> None:
        data = np.asarray(values, dtype=np.float64)
        self.labels, codes = np.unique(np.asarray(blocks), return_inverse=True)
        block_codes(blocks, data.size)
        self.count, self._q = data.size, q
        if not data.size:
            return
        self.whole = float(np.quantile(data, q, method="inverted_cdf"))
        order = np.sort(data)
        ranks = np.unique(np.linspace(0, data.size - 1, GRID).round().astype(np.intp))
        self._grid = order[ranks]
        self._sizes = np.bincount(codes).astype(np.float64)
        # By block and threshold: how many of the block's values are at or below it.
        self._below = np.stack([
            np.searchsorted(np.sort(data[codes == code]), self._grid, side="right")
            for code in range(self.labels.size)
        ]).astype(np.float64)  # fmt: skip

    def resampled(self, draws: Draws) -> NDArray[np.float64]:
        """The quantile of each row of `draws`, which are positions of blocks."""
        blocks = self.labels.size
        found = np.empty(len(draws))
        # In parts, so that the table of resamples by thresholds stays below 100 MB.
        for part in np.array_split(np.arange(len(draws)), max(1, len(draws) * self._grid.size // 10_000_000)):
            places = draws[part] + blocks * np.arange(part.size)[:, None]
            weights = np.bincount(places.ravel(), minlength=part.size * blocks).reshape(-1, blocks)
            reached = weights @ self._below >= self._q * (weights @ self._sizes)[:, None] - 1e-9
            found[part] = self._grid[np.argmax(reached, axis=1)]
        return found


def _draws(rng: np.random.Generator, blocks: int, resamples: int) -> Draws:
    return rng.integers(blocks, size=(resamples, blocks))


def _interval(value: float, resampled: NDArray[np.float64], tail: float) -> Interval:
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def _positive(side: ArrayLike) -> NDArray[np.float64]:
    figures = np.asarray(side, dtype=np.float64)
    return figures[np.isfinite(figures) & (figures > 0)]


def _rate(hits: NDArray[np.float64], totals: NDArray[np.float64]) -> tuple[float, float]:
    """Hits of all trials, and how many independent trials these are worth."""
    if not totals.sum():
        return 0.0, 0.0
    kept = totals > 0
    return float(hits.sum() / totals.sum()), effective_count(hits[kept], totals[kept], CONFIDENCE)
