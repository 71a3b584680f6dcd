"""Intervals cover what they say they cover, on distributions whose truth is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.statistics import Interval, min_count, paired_ratio, quantile_interval

LOGNORMAL = stats.lognorm(s=1.0)
PARETO = stats.pareto(b=1.5)


@pytest.mark.parametrize(("q", "count"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368), (0.999, 3688)])
def test_min_count_is_what_the_binomial_law_gives(q: float, count: int) -> None:
    assert min_count(q) == count
    assert min_count(1 - q) == count
    assert quantile_interval(np.arange(count), q) is not None
    assert quantile_interval(np.arange(count - 1), q) is None


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
def test_bounds_are_the_narrowest_with_enough_coverage_in_each_tail(q: float) -> None:
    for count in (min_count(q), min_count(q) + 1, 500, 5000):
        found = quantile_interval(np.arange(1, count + 1), q)
        assert found is not None
        low, high = round(found.low), round(found.high)
        law = stats.binom(count, q)
        assert law.cdf(low - 1) <= 0.025 < law.cdf(low)
        assert law.sf(high - 1) <= 0.025 < law.sf(high - 2)


@pytest.mark.parametrize(("q", "count"), [(0.5, 20), (0.5, 201), (0.9, 40), (0.95, 100), (0.99, 400)])
@pytest.mark.parametrize("law", [LOGNORMAL, PARETO], ids=["lognormal", "pareto"])
def test_quantile_interval_covers_at_least_nominally(law: Any, q: float, count: int) -> None:
    trials = 2000
    rng = np.random.default_rng(7)
    truth = law.ppf(q)
    found = [quantile_interval(law.rvs(count, random_state=rng), q) for _ in range(trials)]
    covered = sum(i is not None and not i.excludes(truth) for i in found) / trials
    assert covered >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / trials)


@given(st.lists(st.floats(0, 1e6), min_size=72, max_size=200), st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_quantile_interval_holds_its_value_and_grows_with_q(values: list[float], q: float) -> None:
    here, above = quantile_interval(values, q), quantile_interval(values, min(q + 0.02, 0.95))
    assert here is not None
    assert above is not None
    assert here.low <= here.value + 1e-9
    assert here.value <= here.high + 1e-9
    if q <= 0.93:
        assert (here.low, here.high) <= (above.low, above.high)
        assert here.value <= above.value + 1e-9


def test_quantile_estimate_is_numpys() -> None:
    values = np.random.default_rng(1).exponential(size=1001)
    for q in (0.5, 0.9, 0.95):
        found = quantile_interval(values, q)
        assert found is not None
        assert found.value == pytest.approx(np.quantile(values, q))


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


def test_errors_name_the_value_and_the_range() -> None:
    with pytest.raises(ValueError, match="q: got 1"):
        quantile_interval([1.0], 1)
    with pytest.raises(ValueError, match="shapes"):
        paired_ratio([1.0], [1.0, 2.0], seed=0)
