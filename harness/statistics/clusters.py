"""How many independent values the values of several blocks are worth: values of one block share its luck.

Sources:
- Kish, Survey Sampling (1965), sections 5.4 and 8.2: the design effect, and the variance of a share over clusters.
- Korn and Graubard, Confidence Intervals for Proportions with Small Expected Number of Positive Counts Estimated
  from Survey Data (Survey Methodology 24, 1998): the effective sample size, made smaller by the ratio of Student's t.
- Satterthwaite, An Approximate Distribution of Estimates of Variance Components (Biometrics Bulletin 2, 1946): the
  degrees of freedom of a variance estimate, from its own spread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def block_codes(blocks: ArrayLike, count: int) -> NDArray[np.intp]:
    """Labels as numbers from 0, not all of which need occur; ValueError unless 1-D, whole and `count` long."""
    labels = np.asarray(blocks)
    if labels.shape != (count,):
        raise ValueError(f"blocks: shape {labels.shape}, must be ({count},), one label a value")
    if count and labels.dtype.kind not in "iu":
        raise ValueError(f"blocks: type {labels.dtype}, must be of whole numbers")
    if not count:
        return np.zeros(0, dtype=np.intp)
    first, last = int(labels.min()), int(labels.max())
    if last - first > 2 * count:
        return np.unique(labels, return_inverse=True)[1].astype(np.intp)
    # Labels are small counters nearly always, and subtracting is fifty times as fast as sorting a million of them.
    return (labels - first).astype(np.intp)


def effective_count(hits: NDArray[np.float64], sizes: NDArray[np.float64], confidence: float) -> float:
    """Independent trials that would tell the share of hits as well as these blocks do; at most the sum of `sizes`.

    `hits` and `sizes` are 1-D, one positive size a block. The variance of the share over blocks, relative to the
    binomial one, is the design effect. What it has above 1 rests on few blocks, so it is enlarged by the square of
    Student's t over the t of independent trials. Korn and Graubard enlarge the whole effect: that covers 99 % where
    blocks are alike, while enlarging the excess covers 94 to 98 % (tests/statistics/test_quantiles.py). A share in
    the tails is decided by a few unlucky blocks, hence Satterthwaite's degrees of freedom and not blocks - 1.
    """
    from scipy.special import stdtrit  # noqa: PLC0415  (a third of a second, and `harness --help` needs none of it)

    count, blocks = float(sizes.sum()), hits.size
    share = float(hits.sum()) / count
    if blocks < 2 or not 0 < share < 1:
        return count
    squares = (hits - share * sizes) ** 2
    variance = blocks / (blocks - 1) * float(squares.sum()) / count**2
    excess = variance / (share * (1 - share) / count) - 1
    if excess <= 0:
        return count
    spread = float(np.mean(squares**2) / np.mean(squares) ** 2) - 1
    freedom = (
        blocks - 1 if spread <= 0 else float(np.clip(2 * blocks / spread, min(2, blocks - 1), blocks - 1))
    )
    tail = (1 - confidence) / 2
    enlarged = excess * float(stdtrit(freedom, tail) / stdtrit(count - 1, tail)) ** 2
    return count / (1 + enlarged)
