"""Piecewise-linear curves with steps, and where two of them cross, exactly.

A cost over a load is such a curve: so much an item, cheaper in higher tiers, and one task more at each multiple of
what a task can do. Each segment holds its right end and not its left: the second task is needed just after the first
one is full.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.cost.book import Price
from harness.cost.tiers import Array, bounds, marginal_usd, tiered_usd

# Beyond so many steps a curve goes on as a line, which is off by less than one step in four thousand.
MOST_STEPS = 4_000
CENT_USD = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Segments by their start (ascending, the first is 0), the value just after it, and the slope up to the next."""

    starts: Array
    values: Array
    slopes: Array

    def __call__(self, at: ArrayLike) -> Array:
        """The value at each of `at`, 0 or more."""
        where = np.asarray(at, dtype=np.float64)
        return self._on(np.clip(np.searchsorted(self.starts, where, side="left") - 1, 0, None), where)

    def after(self, at: ArrayLike) -> Array:
        """The value just above each of `at`."""
        where = np.asarray(at, dtype=np.float64)
        return self._on(np.searchsorted(self.starts, where, side="right") - 1, where)

    def priced(self, price: Price, *, free: bool) -> Curve:
        """What a growing quantity costs: US dollars over the same axis."""
        changes = bounds(price, free=free)
        if not changes.size:
            usd = float(price.tiers[0].usd)
            return Curve(self.starts, self.values * usd, self.slopes * usd)
        starts = [self.starts]
        ends = np.append(self.starts[1:], np.inf)
        rising = self.slopes > 0
        for bound in changes:
            at = self.starts[rising] + (bound - self.values[rising]) / self.slopes[rising]
            starts.append(at[(at > self.starts[rising]) & (at < ends[rising])])
        merged = np.unique(np.concatenate(starts))
        quantity, slopes = self.after(merged), self._slopes(merged)
        middle = quantity + slopes * np.append(np.diff(merged) / 2, 1.0)
        values = tiered_usd(quantity, price, free=free)
        return Curve(merged, values, slopes * marginal_usd(middle, price, free=free))

    def _on(self, segment: NDArray[np.intp], at: Array) -> Array:
        return np.asarray(self.values[segment] + self.slopes[segment] * (at - self.starts[segment]))

    def _slopes(self, starts: Array) -> Array:
        return np.asarray(self.slopes[np.searchsorted(self.starts, starts, side="right") - 1])


def line(fixed: float, slope: float) -> Curve:
    """`fixed + slope * x`."""
    return Curve(np.array([0.0]), np.array([float(fixed)]), np.array([float(slope)]))


def stairs(width: float, height: float, least: int = 0) -> Curve:
    """`height * max(least, ceil(x / width))`."""
    first = max(least, 1)
    starts = np.concatenate([[0.0], width * np.arange(first, MOST_STEPS + first)])
    values = height * np.arange(first, MOST_STEPS + first + 1, dtype=np.float64)
    slopes = np.zeros_like(starts)
    slopes[-1] = height / width
    return Curve(starts, values, slopes)


def floored(slope: float, floor_slope: float, until: float) -> Curve:
    """`max(slope * x, floor_slope * min(x, until))`: a least charge for each of at most `until`; slopes above 0."""
    if slope >= floor_slope:
        return line(0, slope)
    level = floor_slope * until
    starts = np.array([0.0, until, level / slope])
    return Curve(starts, np.array([0.0, level, level]), np.array([floor_slope, 0.0, slope]))


def at_least(level: float, slope: float) -> Curve:
    """`max(level, slope * x)`, both above 0."""
    return Curve(np.array([0.0, level / slope]), np.array([level, level]), np.array([0.0, slope]))


def levels(starts: ArrayLike, values: ArrayLike) -> Curve:
    """Constant from just after each start on; the first start is 0."""
    where, level = np.asarray(starts, dtype=np.float64), np.asarray(values, dtype=np.float64)
    return Curve(where, level, np.zeros_like(where))


def total(curves: list[Curve]) -> Curve:
    """The sum; 0 of none."""
    starts = np.unique(np.concatenate([[0.0], *(curve.starts for curve in curves)]))
    values, slopes = np.zeros_like(starts), np.zeros_like(starts)
    for curve in curves:
        values += curve.after(starts)
        slopes += curve._slopes(starts)
    return Curve(starts, values, slopes)


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where the lower of two curves changes, from left to right.

    `equal`: both are the same there, to the cent. Else one of them steps over the other just after `at`.
    `first_is_lower_after` tells which.
    """

    at: float
    usd: float
    equal: bool
    first_is_lower_after: bool


def crossings(first: Curve, second: Curve, low: float, high: float) -> list[Crossing]:
    """Every change of the lower one on (low, high], ascending; curves that merely touch do not cross."""
    inner = np.union1d(first.starts, second.starts)
    starts = np.concatenate([[low], inner[(inner > low) & (inner < high)]])
    ends = np.append(starts[1:], high)
    begins = first.after(starts) - second.after(starts)
    slopes = first._slopes(starts) - second._slopes(starts)
    finishes = begins + slopes * (ends - starts)
    signs = _signs(np.column_stack([begins, finishes]).ravel())
    found = []
    for turn in np.flatnonzero(signs[1:] * signs[:-1] < 0):
        segment, at_step = divmod(int(turn), 2)
        # Within a segment both are lines; between two segments one of them steps.
        at = float(ends[segment]) if at_step else float(starts[segment] - begins[segment] / slopes[segment])
        values = float(first(at)), float(second(at))
        equal = abs(values[0] - values[1]) < CENT_USD / 2
        found.append(Crossing(at, min(values), equal, bool(signs[turn + 1] < 0)))
    return found


def _signs(differences: Array) -> Array:
    """1 or -1; a difference of nothing has the sign of the one before it."""
    signs = np.where(np.abs(differences) < 1e-9, 0.0, np.sign(differences))
    last = np.maximum.accumulate(np.where(signs != 0, np.arange(signs.size), -1))
    return np.where(last >= 0, signs[last], 0.0)
