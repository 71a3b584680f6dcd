"""Whether a series of times settles: its levels, where they start, and what they amount to.

Sources:
- Barrett, Bolz-Tereick, Killick, Mount and Tratt, Virtual Machine Warmup Blows Hot and Cold (OOPSLA 2017): the
  verdicts, and levels that differ by less than the noise count as one.
- Killick, Fearnhead and Eckley, Optimal Detection of Changepoints with a Linear Computational Cost (JASA 107, 2012):
  PELT; here by the library ruptures, Truong, Oudre and Vayatis (Signal Processing 167, 2020).
- Hampel, The Influence Curve and its Role in Robust Estimation (JASA 69, 1974): the running-median filter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Steadiness = Literal["flat", "warm-up", "slow-down", "not steady", "too few"]

MIN_VALUES = 12
MIN_SEGMENT = 3
# The search takes time that grows with the square of the length: a tenth of a second at this one.
MAX_VALUES = 5_000
TOLERANCE = math.log1p(0.05)
# On white noise of 12 to 200 values, false alarms stay under 5 % for normal, Laplace, exponential and t3 noise alike;
# a 20 % warm-up in 10 of 60 values with 5 % noise is found in 99 % (tests/statistics/test_steadiness.py).
PENALTY = 5.0
# The noise of a dozen values is often seen too small, and a false alarm follows: a quarter more for 12, 1.5 % for 200.
SHORT_SERIES = 3.0
CLIP = 2.0
WINDOW = 5
# Times that a clock rounds to the same figure have no noise to be seen, and all else would look like a change.
MIN_NOISE = 0.005


@dataclass(frozen=True, slots=True)
class Course:
    """Levels of a series in its own unit (geometric means), the indices where they start, and the verdict.

    `steady_from` is the start of the last level; 0 and no levels at all where there are too few values.
    """

    verdict: Steadiness
    steady_from: int
    levels: tuple[float, ...]
    starts: tuple[int, ...]


def course(series: ArrayLike) -> Course:
    """The course of a 1-D series of positive times in order.

    - flat: one level; levels that differ by less than 5 %, or by less than the noise, are one;
    - warm-up: starts above its last level, which is the lowest and holds at least the last third;
    - slow-down: ends above its first level, and the last one holds at least the last third;
    - not steady: anything else; too few: under 12 values.

    What lasts for fewer than three values is taken for an outlier. A series of more than 5,000 is averaged in short
    runs first. ValueError on values that are not finite and positive.
    """
    times = np.asarray(series, dtype=np.float64)
    if times.ndim != 1 or not np.all(np.isfinite(times) & (times > 0)):
        raise ValueError("series: must be 1-D, of finite positive times")
    if times.size < MIN_VALUES:
        return Course("too few", 0, (), ())
    run = math.ceil(times.size / MAX_VALUES)
    whole = times.size // run * run
    logs = np.log(times[:whole]).reshape(-1, run).mean(axis=1)
    noise = max(_noise(logs), MIN_NOISE)
    clipped = _without_outliers(logs, noise)
    starts = _merge(clipped, _starts(clipped, noise), max(TOLERANCE, noise))
    levels = _levels(clipped, starts)
    verdict = _verdict(levels, (logs.size - starts[-1]) / logs.size, max(TOLERANCE, noise))
    in_order = tuple(start * run for start in starts)
    return Course(verdict, in_order[-1], tuple(float(math.exp(level)) for level in levels), in_order)


def _verdict(levels: list[float], last_share: float, tolerance: float) -> Steadiness:
    first, last = levels[0], levels[-1]
    if len(levels) == 1:
        return "flat"
    if last_share < 1 / 3 or abs(last - first) < tolerance:
        return "not steady"
    if last > first:
        return "slow-down"
    return "warm-up" if last < min(levels) + tolerance else "not steady"


def _noise(logs: NDArray[np.float64]) -> float:
    """Standard deviation about the level: from differences of neighbours, which a few changes of level do not move."""
    differences = np.abs(np.diff(logs))
    return float(1.4826 * np.median(differences) / math.sqrt(2)) * (1 + SHORT_SERIES / logs.size)


def _without_outliers(logs: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Values far from the running median, brought to CLIP times the noise: one long pause is not a level."""
    padded = np.pad(logs, WINDOW // 2, mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, WINDOW), axis=1)
    return np.clip(logs, middle - CLIP * noise, middle + CLIP * noise)


def _starts(logs: NDArray[np.float64], noise: float) -> list[int]:
    """Starts of the segments with the least squared deviation plus PENALTY * log(n) * noise**2 a segment."""
    from ruptures import KernelCPD  # noqa: PLC0415  (0.4 s, and few commands need it)

    # The linear kernel is the squared deviation, searched in C; the library's class Pelt takes 500 times as long.
    search = KernelCPD(kernel="linear", min_size=MIN_SEGMENT)
    ends = search.fit_predict(
        (logs - logs.mean())[:, np.newaxis], pen=PENALTY * math.log(logs.size) * noise**2
    )
    return [0, *(int(end) for end in ends[:-1])]


def _merge(logs: NDArray[np.float64], starts: list[int], tolerance: float) -> list[int]:
    """The starts without those between levels that differ by less than `tolerance`, the closest pair first."""
    kept = list(starts)
    while len(kept) > 1:
        steps = np.abs(np.diff(_levels(logs, kept)))
        closest = int(steps.argmin())
        if steps[closest] >= tolerance:
            break
        del kept[closest + 1]
    return kept


def _levels(logs: NDArray[np.float64], starts: list[int]) -> list[float]:
    return [float(part.mean()) for part in np.split(logs, starts[1:])]
