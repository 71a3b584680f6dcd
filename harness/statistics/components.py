"""How much requests differ within a block, how much blocks differ, and what sizes of a run follow from it.

Sources:
- Kalibera and Jones, Rigorous Benchmarking in Reasonable Time (ISMM 2013), sections 6 and 7: the variance of each
  level free of the level below, and the number of items that makes the most of a given time.
- Unequal blocks: Searle, Casella and McCulloch, Variance Components (1992), section 3.6: unweighted block means, for
  which the harmonic mean of the sizes is the exact correction.
- Standard error of a median: Kendall and Stuart, The Advanced Theory of Statistics, vol. 1 (1977), section 10.10.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.clusters import block_codes
from harness.statistics.interval import CONFIDENCE
from harness.statistics.ratio import MIN_BLOCKS_FOR_CLAIM

MAX_ITEMS_PER_BLOCK = 100_000
MAX_BLOCKS = 1_000_000_000
MIN_LOG_RATIOS = 3
# A pilot's spread is uncertain itself: with this confidence the true one is no larger than what is planned for.
PILOT_CONFIDENCE = 0.8


@dataclass(frozen=True, slots=True)
class Components:
    """Variances of log values, so their roots are relative spreads; `per_block` is the harmonic mean of the sizes."""

    within: float
    between: float
    blocks: int
    per_block: float


def variance_components(values: ArrayLike, blocks: ArrayLike) -> Components | None:
    """Variance of the logs of `values` within and between `blocks` (1-D, as long, whole-number labels).

    Values that are not positive are left out, and so are blocks with fewer than two of the others; None if fewer
    than two blocks remain. `between` is the variance of block means less what requests contribute to it, at least 0.
    ValueError on labels of another length or type.
    """
    data = np.asarray(values, dtype=np.float64)
    codes = block_codes(blocks, data.size)
    usable = (data > 0) & np.isfinite(data)
    usable &= np.bincount(codes[usable], minlength=codes.max(initial=0) + 1)[codes] >= 2
    names, own, sizes = np.unique(codes[usable], return_inverse=True, return_counts=True)
    if names.size < 2:
        return None
    logs = np.log(data[usable])
    means = np.bincount(own, weights=logs) / sizes
    within = float(np.sum((logs - means[own]) ** 2) / (logs.size - names.size))
    per_block = float(names.size / np.sum(1 / sizes))
    between = max(0.0, float(np.var(means, ddof=1)) - within / per_block)
    return Components(within, between, int(names.size), per_block)


def best_items_per_block(components: Components, block_cost_s: float, item_cost_s: float) -> int:
    """Items in a block for the narrowest interval in a given time: Kalibera and Jones's optimum, 1 to 100,000.

    `block_cost_s` is what a block takes besides its items, `item_cost_s` what one more item takes. The cap is also
    the answer where blocks do not differ. ValueError unless the costs are at least 0 and above 0.
    """
    if not (block_cost_s >= 0 and item_cost_s > 0):
        raise ValueError(
            f"costs: got {block_cost_s} s a block and {item_cost_s} s an item, must be >= 0 and > 0"
        )
    if components.between == 0:
        return MAX_ITEMS_PER_BLOCK
    best = math.sqrt(block_cost_s / item_cost_s * components.within / components.between)
    return max(1, math.ceil(min(best, MAX_ITEMS_PER_BLOCK)))


def blocks_for_precision(log_ratios: ArrayLike, precision: float) -> int:
    """Blocks at which the 95 % interval of the median paired ratio is expected to have the half width `precision`.

    `log_ratios` is 1-D, the log of the ratio of two arms in each block of a pilot; those that are not finite are left
    out. `precision` is a fraction, 0.05 for 5 %. Their spread is taken at its upper 80 % bound (chi-square), and the
    standard error of a median is sqrt(pi / 2) times that of a mean. Never below MIN_BLOCKS_FOR_CLAIM, and at most a
    milliard. ValueError on a precision outside 0 to 1, exclusive, and on fewer than three log ratios.
    """
    from scipy.special import chdtri, stdtrit  # noqa: PLC0415  (a third of a second, and `harness --help` needs none)

    if not 0 < precision < 1:
        raise ValueError(f"precision: got {precision}, must lie between 0 and 1, exclusive")
    logs = np.asarray(log_ratios, dtype=np.float64)
    logs = logs[np.isfinite(logs)]
    if logs.size < MIN_LOG_RATIOS:
        raise ValueError(f"log_ratios: got {logs.size}, at least {MIN_LOG_RATIOS} are needed")
    freedom = logs.size - 1
    spread = float(np.std(logs, ddof=1)) * math.sqrt(freedom / float(chdtri(freedom, PILOT_CONFIDENCE)))

    def narrow_enough(blocks: int) -> bool:
        student = -float(stdtrit(blocks - 1, (1 - CONFIDENCE) / 2))
        return student * math.sqrt(math.pi / 2) * spread / math.sqrt(blocks) <= math.log1p(precision)

    choices = range(MIN_BLOCKS_FOR_CLAIM, MAX_BLOCKS)
    return MIN_BLOCKS_FOR_CLAIM + bisect.bisect_left(choices, True, key=narrow_enough)
