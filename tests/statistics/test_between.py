"""Ratios of runs made apart cover what they say they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.statistics import paired_ratio, quantile_ratio, rate_ratio, unpaired_ratio

TRIALS = 1500
RESAMPLES = 1000


@pytest.mark.parametrize(("first", "second"), [(10, 10), (10, 20), (15, 12), (30, 30)])
def test_unpaired_ratio_covers_the_true_ratio(first: int, second: int) -> None:
    """Log-normal block figures: the ratio of their medians is known."""
    rng = np.random.default_rng(17)
    covered = 0
    for trial in range(TRIALS):
        a, b = 1.2 * rng.lognormal(0, 0.2, first), rng.lognormal(0, 0.2, second)
        found = unpaired_ratio(a, b, trial, RESAMPLES)
        assert found is not None
        covered += not found.excludes(1.2)
    assert 0.94 <= covered / TRIALS <= 0.98


def test_the_narrower_of_two_intervals_covers_less_than_it_says() -> None:
    """Why pairing is decided by the items and not by what comes out; here blocks have nothing in common."""
    rng = np.random.default_rng(19)
    paired = narrower = 0
    widths = []
    for trial in range(TRIALS):
        a, b = rng.lognormal(0, 0.2, 12), rng.lognormal(0, 0.2, 12)
        both = [paired_ratio(a, b, trial, RESAMPLES), unpaired_ratio(a, b, trial, RESAMPLES)]
        kept = [each for each in both if each is not None]
        assert len(kept) == 2
        paired += not kept[0].excludes(1.0)
        narrower += not min(kept, key=lambda each: each.high / each.low).excludes(1.0)
        widths.append(math.log(kept[0].high / kept[0].low) / math.log(kept[1].high / kept[1].low))
    assert 0.94 <= paired / TRIALS <= 0.98
    assert narrower / TRIALS < 0.945
    assert 0.85 <= float(np.median(widths)) <= 1.15, (
        "where there is nothing to pair, pairing costs and gains little"
    )


@pytest.mark.parametrize(("blocks", "luck", "paired"), [(10, 0.1, False), (20, 0.2, False), (12, 0.1, True)])
def test_quantile_ratio_covers_the_true_ratio(blocks: int, luck: float, paired: bool) -> None:
    """24 items a block; where paired, items have the same sizes on both sides, and coverage errs upwards."""
    rng = np.random.default_rng(23)
    labels = np.repeat(np.arange(blocks), 24)
    trials, covered = 300, 0
    for trial in range(trials):
        sizes = rng.lognormal(0, 0.5, labels.size)

        def side(shared: NDArray[np.float64]) -> NDArray[np.float64]:
            own = shared if paired else rng.lognormal(0, 0.5, labels.size)
            found: NDArray[np.float64] = (
                own * rng.lognormal(0, luck, blocks)[labels] * rng.lognormal(0, 0.1, labels.size)
            )
            return found

        found = quantile_ratio(
            1.2 * side(sizes), labels, side(sizes), labels, 0.95, trial, paired=paired, resamples=400
        )
        assert found is not None
        covered += not found.excludes(1.2)
    assert 0.93 <= covered / trials <= 0.995


@pytest.mark.parametrize(("rate", "factor"), [(0.02, 1.0), (0.02, 3.0), (0.1, 1.5)])
def test_rate_ratio_covers_the_true_ratio(rate: float, factor: float) -> None:
    """20 blocks of 50 attempts, whose rates differ a little; conservative by design."""
    rng = np.random.default_rng(29)
    covered = 0
    totals = np.full(20, 50)
    for _ in range(TRIALS):
        a = rng.binomial(50, rng.beta(rate * factor * 50, (1 - rate * factor) * 50, 20))
        b = rng.binomial(50, rng.beta(rate * 50, (1 - rate) * 50, 20))
        found = rate_ratio(a, totals, b, totals)
        assert found is not None
        covered += not found.excludes(factor)
    assert 0.94 <= covered / TRIALS <= 0.995


def test_rate_ratio_without_failures_on_a_side() -> None:
    none = rate_ratio([0, 0], [50, 50], [0, 0], [50, 50])
    assert none is None
    only_first = rate_ratio([10, 12], [50, 50], [0, 0], [50, 50])
    assert only_first is not None
    assert (only_first.value, only_first.high) == (math.inf, math.inf)
    assert only_first.low > 1
    only_second = rate_ratio([0, 0], [50, 50], [10, 12], [50, 50])
    assert only_second is not None
    assert (only_second.value, only_second.low) == (0.0, 0.0)
    assert only_second.high == pytest.approx(1 / only_first.low)
    assert rate_ratio([], [], [1], [2]) is None


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(20, 50)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 20), st.integers(20, 50)), min_size=1, max_size=12),
)
def test_rate_ratio_holds_its_value_and_mirrors(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    (a, a_all), (b, b_all) = np.asarray(first).T, np.asarray(second).T
    found, mirrored = rate_ratio(a, a_all, b, b_all), rate_ratio(b, b_all, a, a_all)
    if a.sum() + b.sum() == 0:
        assert found is None
        assert mirrored is None
        return
    assert found is not None
    assert mirrored is not None
    assert found.low <= found.value <= found.high
    if found.low > 0 and math.isfinite(found.high):
        assert (1 / mirrored.high, 1 / mirrored.low) == pytest.approx((found.low, found.high))


@given(st.lists(st.floats(0.001, 1000), min_size=72, max_size=300), st.integers(1, 12))
def test_quantile_ratio_of_a_side_with_itself_is_1(values: list[float], blocks: int) -> None:
    labels = np.arange(len(values)) % blocks
    found = quantile_ratio(values, labels, values, labels, 0.95, 1, paired=True, resamples=50)
    assert found is not None
    assert found.value == 1.0
    assert (found.low, found.high) == (
        (1.0, 1.0) if blocks > 1 else pytest.approx((math.nan, math.nan), nan_ok=True)
    )


def test_resampled_quantiles_are_those_of_the_resampled_values() -> None:
    """Against the plain way: gather the values of the drawn blocks, and take their quantile."""
    from harness.statistics.between import _Pooled  # noqa: PLC0415

    rng = np.random.default_rng(31)
    values, labels = rng.lognormal(size=200), np.repeat(np.arange(8), 25)
    draws = rng.integers(8, size=(40, 8))
    plain = [
        np.quantile(np.concatenate([values[labels == block] for block in row]), 0.95, method="inverted_cdf")
        for row in draws
    ]
    assert _Pooled(values, labels, 0.95).resampled(draws) == pytest.approx(plain)


def test_too_few_and_unequal_sides() -> None:
    assert unpaired_ratio([], [1.0], seed=1) is None
    assert unpaired_ratio([math.nan, 0.0], [1.0], seed=1) is None
    single = unpaired_ratio([3.0], [1.0, 2.0], seed=1)
    assert single is not None
    assert single.value == 2.0
    assert math.isnan(single.low)
    few, many = np.ones(71), np.ones(72)
    assert quantile_ratio(few, np.zeros(71, int), many, np.zeros(72, int), 0.95, 1, paired=False) is None
    with pytest.raises(ValueError, match="same blocks"):
        quantile_ratio(many, np.zeros(72, int), many, np.ones(72, int), 0.95, 1, paired=True)


def test_the_same_seed_gives_the_same_interval_and_scale_passes_through() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.lognormal(size=12), rng.lognormal(size=15)
    first, scaled = unpaired_ratio(a, b, seed=9), unpaired_ratio(3 * a, b, seed=9)
    assert first == unpaired_ratio(a, b, seed=9)
    assert first is not None
    assert scaled is not None
    assert (scaled.value, scaled.low, scaled.high) == pytest.approx(
        (3 * first.value, 3 * first.low, 3 * first.high)
    )
