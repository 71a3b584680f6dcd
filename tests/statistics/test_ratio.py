"""Ratios of paired blocks, rates and jackknife intervals cover what they say they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.statistics import (
    Interval,
    jackknife_interval,
    mann_whitney_p,
    paired_ratio,
    proportion_interval,
)

TRIALS = 2000


@pytest.mark.parametrize("blocks", [10, 15, 20])
def test_paired_ratio_covers_the_true_ratio(blocks: int) -> None:
    """The median of the ratios of two log-normals of equal spread is the ratio of their medians."""
    rng = np.random.default_rng(11)
    trials, covered = 1500, 0
    for trial in range(trials):
        shared = rng.normal(0, 0.3, blocks)
        a = 1.2 * np.exp(shared + rng.normal(0, 0.1, blocks))
        b = np.exp(shared + rng.normal(0, 0.1, blocks))
        found = paired_ratio(a, b, trial, resamples=1000)
        assert found is not None
        covered += not found.excludes(1.2)
    assert 0.94 <= covered / trials <= 0.98


def test_identical_arms_are_seldom_told_apart() -> None:
    rng = np.random.default_rng(3)
    trials = 1500
    wrong = 0
    for trial in range(trials):
        luck = rng.normal(0, 0.5, 10)
        a, b = (np.exp(luck + rng.normal(0, 0.05, 10)) for _ in range(2))
        found = paired_ratio(a, b, trial, resamples=1000)
        assert found is not None
        wrong += found.excludes(1.0)
    assert wrong / trials <= 0.06


def test_paired_ratio_uses_pairs_only() -> None:
    found = paired_ratio([2.0, math.nan, 4.0, 6.0], [1.0, 1.0, 2.0, 0.0], seed=1)
    assert found == Interval(2.0, 2.0, 2.0)
    assert paired_ratio([], [], seed=1) is None
    single = paired_ratio([3.0], [2.0], seed=1)
    assert single is not None
    assert single.value == 1.5
    assert math.isnan(single.low)
    assert not single.excludes(1.0)


def test_paired_ratio_is_the_same_for_the_same_seed_and_scale() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.lognormal(size=12), rng.lognormal(size=12)
    first = paired_ratio(a, b, seed=9)
    assert first == paired_ratio(a, b, seed=9)
    scaled = paired_ratio(3 * a, b, seed=9)
    assert first is not None
    assert scaled is not None
    assert (scaled.value, scaled.low, scaled.high) == pytest.approx(
        (3 * first.value, 3 * first.low, 3 * first.high)
    )


def test_errors_name_the_shapes() -> None:
    with pytest.raises(ValueError, match="shapes"):
        paired_ratio([1.0], [1.0, 2.0], seed=0)
    with pytest.raises(ValueError, match="shapes"):
        proportion_interval([1], [1, 2])


def test_mann_whitney_counts_the_orders_in_which_ranks_may_come() -> None:
    assert mann_whitney_p([1, 2, 3], [4, 5, 6]) == pytest.approx(2 / math.comb(6, 3))
    assert mann_whitney_p([1, 2, 3, math.nan], [4, 5, 6]) == pytest.approx(2 / math.comb(6, 3))
    assert math.isnan(mann_whitney_p([1, 2, math.inf], [4, 5, 6]))
    assert math.isnan(mann_whitney_p([], []))


def test_mann_whitney_misses_what_pairing_shows() -> None:
    """Why it is a cross-check: blocks that differ by much hide a difference that each of them shows."""
    rng = np.random.default_rng(21)
    b = rng.lognormal(0, 1, 12)
    a = 1.2 * b * rng.lognormal(0, 0.02, 12)
    paired = paired_ratio(a, b, seed=1)
    assert paired is not None
    assert paired.excludes(1.0)
    assert mann_whitney_p(a, b) > 0.3


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_jackknife_of_a_mean_is_students_interval(values: list[float]) -> None:
    data = np.asarray(values)
    count, whole = data.size, float(data.mean())
    found = jackknife_interval((data.sum() - data) / (count - 1), whole)
    reach = stats.t.ppf(0.975, count - 1) * data.std(ddof=1) / math.sqrt(count)
    assert found.value == whole
    assert (found.low, found.high) == pytest.approx((whole - reach, whole + reach), abs=1e-6)


def test_jackknife_covers_a_ratio_of_sums() -> None:
    """CPU seconds an item over blocks of uneven size; one block says nothing."""
    rng = np.random.default_rng(23)
    covered = 0
    for _ in range(TRIALS):
        items = rng.integers(20, 60, 12)
        cpu_s = 0.3 * items * rng.lognormal(-0.02, 0.2, 12)
        without = (cpu_s.sum() - cpu_s) / (items.sum() - items)
        covered += not jackknife_interval(without, cpu_s.sum() / items.sum()).excludes(0.3)
    assert 0.93 <= covered / TRIALS <= 0.97
    assert math.isnan(jackknife_interval([1.0], 1.0).low)


@pytest.mark.parametrize(("rate", "correlation"), [(0.1, 0.0), (0.1, 0.1), (0.3, 0.3), (0.02, 0.02)])
def test_proportion_interval_covers_the_rate(rate: float, correlation: float) -> None:
    """Beta-binomial blocks: 20 of 50 attempts. Discreteness adds to coverage, the more so for small rates."""
    rng = np.random.default_rng(29)
    covered = alone = 0
    for _ in range(TRIALS):
        worth = (1 - correlation) / correlation if correlation else 1e9
        failures = rng.binomial(50, rng.beta(rate * worth, (1 - rate) * worth, 20))
        covered += not proportion_interval(failures, np.full(20, 50)).excludes(rate)
        alone += not proportion_interval([failures.sum()], [1000]).excludes(rate)
    assert 0.935 <= covered / TRIALS <= 0.99
    if correlation >= 0.1:
        assert alone / TRIALS < 0.9


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=20))
def test_proportion_interval_holds_its_rate_and_mirrors_successes(pairs: list[tuple[int, int]]) -> None:
    failures, successes = np.asarray(pairs).T
    totals = failures + successes
    if totals.sum() == 0:
        with pytest.raises(ValueError, match="sum to 0"):
            proportion_interval(failures, totals)
        return
    found, mirrored = proportion_interval(failures, totals), proportion_interval(successes, totals)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((found.low, found.high), abs=1e-9)
    single = proportion_interval([failures.sum()], [totals.sum()])
    assert found.low <= single.low + 1e-9
    assert found.high >= single.high - 1e-9


def test_proportion_interval_without_failures_is_clopper_and_pearsons() -> None:
    found = proportion_interval([0, 0, 0], [100, 100, 100])
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 300))
    assert proportion_interval([5, 5], [5, 5]).high == 1.0
    assert proportion_interval([3, 0], [10, 0]) == proportion_interval([3], [10])
    with pytest.raises(ValueError, match="between 0 and the total"):
        proportion_interval([3], [2])
