"""Intervals of quantiles cover what they say they cover, on distributions whose truth is known."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.statistics import min_count, quantile_interval
from tests.statistics.coverage import Blocks, Law, quantile_coverage

LOGNORMAL = stats.lognorm(s=1.0)
PARETO = stats.pareto(b=1.5)
TRIALS = 1500


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


def test_errors_name_the_value_and_the_range() -> None:
    with pytest.raises(ValueError, match="q: got 1"):
        quantile_interval([1.0], 1)
    with pytest.raises(ValueError, match="shape"):
        quantile_interval([1.0, 2.0], 0.5, blocks=[1])
    with pytest.raises(ValueError, match="whole"):
        quantile_interval([1.0, 2.0], 0.5, blocks=[0.5, 1.5])


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("law", ["lognormal", "exponential"])
@pytest.mark.parametrize(
    ("blocks", "per_block", "correlation"), [(10, 24, 0.2), (12, 50, 0.5), (20, 24, 0.05)]
)
def test_quantile_interval_knows_of_blocks(
    law: Law, blocks: int, per_block: int, correlation: float, q: float
) -> None:
    covered = quantile_coverage(Blocks(law, blocks, per_block, correlation), q, TRIALS, in_blocks=True)
    assert 0.93 <= covered <= 0.98


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95])
def test_blocks_that_are_alike_cost_little_width(q: float) -> None:
    """Coverage is up to 98 %: the design effect of a draw is above 1 as often as not, and below 1 is taken for 1."""
    assert 0.94 <= quantile_coverage(Blocks("lognormal", 12, 30, 0.0), q, TRIALS, in_blocks=True) <= 0.985


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("correlation", [0.2, 0.5])
def test_the_independent_interval_fails_in_blocks(q: float, correlation: float) -> None:
    """The reason for knowing of blocks: what says 95 % holds 30 to 80 %."""
    assert quantile_coverage(Blocks("exponential", 12, 50, correlation), q, 500, in_blocks=False) < 0.9


def test_a_p95_that_hangs_on_blocks_not_drawn_is_covered_in_about_90_percent() -> None:
    """The known limit: all values of ten blocks may lie below the quantile, and no order statistic bounds it."""
    covered = quantile_coverage(Blocks("exponential", 10, 24, 0.5), 0.95, TRIALS, in_blocks=True)
    assert 0.87 <= covered <= 0.95


@given(
    st.lists(st.floats(0, 1e6), min_size=72, max_size=200),
    st.integers(1, 30),
    st.floats(0.05, 0.95),
    st.sampled_from([0, -7, 10**12]),
)
@settings(max_examples=60, deadline=None)
def test_blocks_never_narrow_an_interval(values: list[float], blocks: int, q: float, offset: int) -> None:
    labels = np.arange(len(values)) % blocks + offset
    alone, known = quantile_interval(values, q), quantile_interval(values, q, blocks=labels)
    assert alone is not None
    assert known is not None
    assert known.value == alone.value
    assert min(values) <= known.low <= alone.low
    assert alone.high <= known.high <= max(values)
    if blocks == 1:
        assert known == alone


def test_labels_are_but_names() -> None:
    rng = np.random.default_rng(2)
    values, labels = rng.lognormal(size=300), rng.integers(0, 10, 300)
    first = quantile_interval(values, 0.9, blocks=labels)
    order = rng.permutation(300)
    assert quantile_interval(values[order], 0.9, blocks=labels[order]) == first
    assert quantile_interval(values, 0.9, blocks=labels * 10**9 - 5) == first


def test_values_that_are_the_same_all_through_a_block_count_once() -> None:
    luck = np.random.default_rng(8).lognormal(size=40)
    once = quantile_interval(luck, 0.5)
    known = quantile_interval(np.repeat(luck, 50), 0.5, blocks=np.repeat(np.arange(40), 50))
    assert once is not None
    assert known is not None
    assert known.low <= once.low
    assert known.high >= once.high


def test_a_million_values_in_a_hundred_blocks_take_no_time() -> None:
    rng = np.random.default_rng(6)
    values, labels = rng.lognormal(size=1_000_000), rng.integers(0, 100, 1_000_000)
    taken_s = []
    for _ in range(3):
        began = time.perf_counter()
        assert quantile_interval(values, 0.95, blocks=labels) is not None
        taken_s.append(time.perf_counter() - began)
    assert min(taken_s) < 0.15
